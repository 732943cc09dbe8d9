import type { Meaning } from './lexicon/lexicon.ts';

/** Why a text is suspected, in the words of the log. */
export type Reason =
  | 'override'
  | 'persona'
  | 'unrestricted'
  | 'concealment'
  | 'exfiltration'
  | 'authority'
  | 'shadowing'
  | 'deferred'
  | 'trigger'
  | 'steering'
  | 'encoded'
  | 'invisible';

export interface Rule {
  readonly reason: Reason;
  /** What one such place adds; 1 is enough to be suspected by itself. */
  readonly weight: number;
  /** Of which texts: what a server says of its tools, or what tools return; absent: both. */
  readonly of?: 'descriptor' | 'result';
  /** Meanings in their order, and how many words further on each may stand. */
  readonly steps: readonly { readonly any: readonly Meaning[]; readonly within: number }[];
}

/** `ignore 4 earlier 3 orders`: a meaning, the words until the next one, that meaning; `a|b` is either. */
function rule(reason: Reason, weight: number, form: string, of?: Rule['of']): Rule {
  const parts = form.split(' ');
  const steps = parts.flatMap((part, index) =>
    index % 2 === 0 ? [{ any: part.split('|') as Meaning[], within: index === 0 ? 0 : Number(parts[index - 1]) }] : [],
  );
  return { reason, weight, steps, ...(of && { of }) };
}

export const rules: readonly Rule[] = [
  rule('override', 1, 'ignore 4 earlier 4 orders'),
  rule('override', 1, 'ignore 5 orders 4 earlier'),
  rule('override', 0.5, 'ignore 3 whatever 4 orders'),
  rule('override', 0.7, 'ignore 3 whatever 5 earlier'),
  rule('override', 1, 'earlier 8 orders 8 drop'),
  rule('override', 0.5, 'your 2 fresh 2 orders'),
  rule('override', 0.6, 'halt'),
  rule('override', 0.4, 'closing'),
  rule('override', 1, 'halt 14 say|run|send'),
  rule('override', 0.5, 'user 2 fresh 3 prompt|orders'),
  rule('override', 0.7, 'ignore 2 your 3 orders'),
  rule('override', 0.7, 'ignore 5 limits'),
  rule('override', 0.6, 'treat 8 orders|content 8 as 6 orders|user'),
  rule('override', 0.4, 'fresh 1 orders 3 you'),
  rule('override', 0.8, 'ignore 6 user 4 prompt|orders'),
  rule('override', 0.7, 'ignore 4 prompt|orders 5 user'),
  rule('override', 0.7, 'user 4 prompt|orders 6 ignore|drop'),
  rule('override', 0.6, 'ignore 4 prompt|earlier 3 earlier|prompt', 'result'),
  rule('override', 0.8, 'ignore 4 innards', 'result'),
  rule('override', 0.4, 'ignore 4 innards 4 say|deed', 'result'),
  rule('override', 1, 'ignore 3 user 8 deed', 'result'),
  rule('override', 0.6, 'treat 8 as 4 orders', 'descriptor'),
  rule('override', 0.5, 'ignore 2 user', 'result'),
  rule('override', 1, 'ignore 3 user', 'descriptor'),
  rule('override', 0.5, 'your 3 orders 3 fresh'),
  rule('override', 0.8, 'closing 24 turn|role|user|model|deed', 'result'),
  rule('override', 0.8, 'urgent|command 4 urgent|command|only 4 say'),

  rule('persona', 0.6, 'you 5 become'),
  rule('persona', 0.6, 'become 8 model|persona'),
  rule('unrestricted', 0.45, 'become 14 free'),
  rule('persona', 0.5, 'henceforth 5 you'),
  rule('persona', 0.8, 'you 6 model 6 without 4 morals|orders'),
  rule('persona', 0.4, 'persona|model 3 mode'),
  rule('persona', 0.4, 'model 3 as 3 persona'),
  rule('persona', 0.4, 'you 8 say 3 as 5 model|persona'),
  rule('persona', 0.35, 'become 6 you'),
  rule('persona', 0.3, 'game 12 model|persona'),
  rule('persona', 0.4, 'say 8 prompt|answer 6 two'),
  rule('persona', 0.4, 'two 4 answer|say 20 model|persona'),
  rule('persona', 0.4, 'two 3 answer 5 whatever 2 prompt'),

  rule('unrestricted', 0.6, 'free 8 model|persona'),
  rule('unrestricted', 0.6, 'model|persona 10 free'),
  rule('unrestricted', 0.3, 'free 5 free'),
  rule('unrestricted', 0.5, 'without 4 morals 4 morals'),
  rule('unrestricted', 0.5, 'never|without 3 refuse'),
  rule('unrestricted', 0.5, 'never|without 4 disclaim'),
  rule('unrestricted', 0.5, 'without 5 limits'),
  rule('unrestricted', 0.4, 'without 4 obey 8 morals|orders'),
  rule('unrestricted', 0.3, 'free 6 answer|say'),

  rule('concealment', 0.76, 'never 3 tell 3 user'),
  rule('concealment', 0.7, 'tell 4 user 4 nothing'),
  rule('concealment', 0.5, 'covertly|discreet'),
  rule('concealment', 1, 'covertly 6 user', 'descriptor'),
  rule('concealment', 1, 'user 4 covertly', 'descriptor'),
  rule('concealment', 0.8, 'quietly 4 send|put', 'descriptor'),
  rule('concealment', 0.76, 'user 4 tell 4 never'),
  rule('concealment', 0.76, 'user 4 never 3 tell'),
  rule('concealment', 0.5, 'never 4 user 3 tell'),
  rule('concealment', 0.8, 'deed|send|run|put|get 25 covertly'),
  rule('concealment', 0.4, 'deed 25 discreet', 'result'),
  rule('concealment', 0.25, 'quietly'),
  rule('concealment', 0.3, 'quietly 8 send|put|secret|path'),
  rule('concealment', 0.5, 'covertly|discreet 10 send|put|get|run'),
  rule('concealment', 0.4, 'covertly 8 secret|path'),

  rule('exfiltration', 0.6, 'get 8 secret|path 12 send|put', 'descriptor'),
  rule('exfiltration', 1, 'get 8 path 14 send|put', 'descriptor'),
  rule('exfiltration', 1, 'get|put|send|tell|call 10 intimate', 'descriptor'),
  rule('exfiltration', 1, 'entire 4 private', 'descriptor'),
  rule('exfiltration', 0.8, 'your 3 innards', 'descriptor'),
  rule('exfiltration', 0.7, 'send|put|get 6 private 10 address|sink'),
  rule('exfiltration', 1, 'say|get|tell 4 your 3 innards', 'result'),
  rule('exfiltration', 0.8, 'deed 8 address 10 private', 'result'),
  rule('exfiltration', 0.5, 'get 8 secret|path 12 send|put', 'result'),
  rule('exfiltration', 0.5, 'send|put 8 secret|path', 'descriptor'),
  rule('exfiltration', 0.3, 'send|put 8 secret|path', 'result'),
  rule('exfiltration', 0.6, 'secret|path 12 send 6 address|sink'),
  rule('exfiltration', 0.6, 'send 8 user|answer|orders 6 address|sink', 'descriptor'),
  rule('exfiltration', 0.4, 'send 8 user|answer|orders 6 address|sink', 'result'),
  rule('exfiltration', 0.2, 'must|first 6 get 10 secret|path'),
  rule('exfiltration', 0.5, 'get 3 your 3 secret'),
  rule('exfiltration', 0.6, 'say|get|tell 6 innards'),
  rule('exfiltration', 0.6, 'secret|path|innards 6 yield'),
  rule('exfiltration', 0.3, 'address 6 yield'),
  rule('exfiltration', 0.25, 'deed 6 secret', 'result'),
  rule('exfiltration', 0.5, 'model 24 send 10 address', 'result'),
  rule('exfiltration', 0.3, 'send 14 address|sink'),
  rule('exfiltration', 0.4, 'address 8 user|secret|answer 6 put'),
  rule('exfiltration', 0.2, 'must 4 get 3 address'),
  rule('exfiltration', 0.25, 'put|shape 8 address', 'result'),

  rule('authority', 0.6, 'hail|toward 3 model'),
  rule('authority', 0.9, 'hail 3 model 14 deed', 'result'),
  rule('authority', 0.8, 'rank 14 deed'),
  rule('authority', 0.6, 'urgent 12 model 12 deed|run', 'result'),
  rule('authority', 1, 'vocative 8 deed', 'result'),
  rule('authority', 0.8, 'role 6 deed', 'result'),
  rule('authority', 0.8, 'tag 5 deed', 'result'),
  rule('authority', 0.3, 'seal 14 you|deed|secret|obey'),
  rule('authority', 0.4, 'consented 16 deed|discreet'),
  rule('authority', 0.3, 'model 10 must 4 deed'),
  rule('authority', 0.4, 'model 3 reading 3 whatever|content|earlier'),
  rule('authority', 0.3, 'model 12 must'),
  rule('authority', 0.5, 'rank'),
  rule('authority', 0.4, 'consented'),
  rule('authority', 0.4, 'turn|role 40 turn|role', 'result'),
  rule('authority', 0.9, 'seal'),
  rule('authority', 0.6, 'tag'),
  rule('authority', 0.3, 'tag 8 must|before|when|you|call', 'descriptor'),
  rule('authority', 0.5, 'role'),
  rule('authority', 0.4, 'role 8 you|must|ignore|orders'),
  rule('authority', 0.4, 'tag 8 you|must|ignore'),

  rule('shadowing', 0.8, 'when 8 identifier 8 call 10 supersede|send|first', 'descriptor'),
  rule('shadowing', 0.8, 'supersede 6 identifier 12 send|supersede|must|when', 'descriptor'),
  rule('shadowing', 0.8, 'identifier 4 tool 10 must|supersede 8 supersede|send', 'descriptor'),
  rule('shadowing', 0.6, 'supersede 5 conduct 6 identifier|tool', 'descriptor'),
  rule('shadowing', 0.5, 'identifier 12 supersede 5 conduct', 'descriptor'),
  rule('shadowing', 0.5, 'identifier|tool 6 flawed 12 supersede|call', 'descriptor'),
  rule('shadowing', 0.6, 'supersede 4 flawed 6 tool|identifier', 'descriptor'),
  rule('shadowing', 0.5, 'call 4 tool 6 supersede|other', 'descriptor'),
  rule('shadowing', 0.8, 'before 4 call|run 8 call|run 4 tool 8 supersede', 'descriptor'),
  rule('shadowing', 0.8, 'supersede 4 other 3 tool', 'descriptor'),
  rule('shadowing', 1, 'ignore 6 other 3 tool', 'descriptor'),
  rule('shadowing', 0.8, 'when 4 other 3 tool 8 call|run', 'descriptor'),
  rule('shadowing', 0.5, 'put 3 your 6 user 8 tool', 'descriptor'),
  rule('exfiltration', 0.6, 'put 4 your 3 answer', 'descriptor'),
  rule('exfiltration', 0.3, 'entire 3 conduct', 'descriptor'),
  rule('shadowing', 0.5, 'when 4 tool 6 call|run 8 supersede', 'descriptor'),
  rule('shadowing', 0.4, 'identifier 8 must 6 supersede|put', 'descriptor'),
  rule('shadowing', 0.4, 'call 3 identifier 8 secret|path', 'descriptor'),
  rule('shadowing', 0.4, 'before 3 whatever 2 other 3 tool', 'descriptor'),
  rule('shadowing', 0.5, 'when 2 identifier 10 must', 'descriptor'),
  rule('shadowing', 0.6, 'when 4 identifier 6 call 10 conduct', 'descriptor'),
  rule('shadowing', 0.4, 'must 3 put 3 conduct', 'descriptor'),
  rule('shadowing', 0.5, 'never 2 call 3 other 2 tool', 'descriptor'),
  rule('shadowing', 0.3, 'only 2 call 2 tool', 'descriptor'),
  rule('shadowing', 0.5, 'when 3 whatever 3 tool 8 send', 'descriptor'),
  rule('exfiltration', 0.5, 'send 3 content 6 field', 'descriptor'),
  rule('exfiltration', 0.4, 'path 6 address', 'descriptor'),
  rule('exfiltration', 0.6, 'path 5 put', 'descriptor'),
  rule('trigger', 1, 'get 3 address 6 obey', 'descriptor'),
  rule('deferred', 0.6, 'approved 12 send|run|covertly|quietly|secret|supersede|path', 'descriptor'),
  rule('deferred', 0.6, 'approved|malice 12 malice|approved', 'descriptor'),
  rule('deferred', 0.6, 'swap 4 approved', 'descriptor'),
  rule('deferred', 0.6, 'when 3 call 4 supersede 2 conduct', 'descriptor'),
  rule('trigger', 0.4, 'before|when 6 tool 8 must|first 4 get|send', 'descriptor'),
  rule('trigger', 0.4, 'run 4 arbitrary', 'descriptor'),
  rule('trigger', 0.4, 'when|before 12 get|send 6 secret|path', 'descriptor'),
  rule('trigger', 0.3, 'before 6 tool 4 call 3 identifier', 'descriptor'),
  rule('trigger', 0.4, 'first 3 get 6 secret|path', 'descriptor'),
  rule('trigger', 0.4, 'before 3 say 12 must', 'result'),
  rule('exfiltration', 0.5, 'put 3 your 5 secret', 'descriptor'),
  rule('exfiltration', 0.6, 'secret 8 field', 'descriptor'),
  rule('exfiltration', 0.4, 'secret 3 secret', 'descriptor'),

  rule('steering', 1, 'shape 14 your 3 answer', 'result'),
  rule('steering', 1, 'your 2 answer 4 shape', 'result'),
];
