import type { Lexicon } from './lexicon.ts';

export const english: Lexicon = {
  ignore: `
    ignor* disregard* forget* overlook* bypass* overrid* neglect* discard* dismiss* abandon* erase* unlearn*
    skip_whatever skip_what regardless_of no_matter_what circumvent* violat* do_not_follow dont_follow stop_following set_aside pay_no_attention do_not_obey stop_obeying
    throw_away no_longer_apply put_aside cast_aside`,
  earlier: `
    previous* prior earlier preceding before foregoing former above initial* original past existing so_far up_to_now
    until_now already last given_to_you you_received received before_this`,
  whatever: `all any every everything your these those its the_rules entire`,
  orders: `
    instruction* prompt prompts rule rules guideline* command commands directive* orders polic* constraint*
    restriction* safeguard* guardrail* training programming conversation* context message messages input inputs told
    task tasks taught learned learnt directions asked assigned safety_check* safety_measures limits limitations
    filter filters safety principles protocols guidance system_message`,
  drop: `void null_and_void cancelled canceled revoked rescinded were_a_test was_a_test no_longer_valid no_longer_apply`,
  fresh: `new updated real actual true following revised next changed`,
  model: `
    chatgpt gpt* ai copilot notetaker summarizer recruiter assistant assistants llm llms chatbot* claude gemini openai anthropic language_model unfiltered_model uncensored_model unrestricted_model
    ai_model agent bot artificial_intelligence language_models ai_models ai_systems ai_system ai_agents`,
  you: `you you're youre you'll u ya yourself thou`,
  your: `your yours`,
  become: `
    act_as acting_as act_like pretend* roleplay* role-play* role_play play_the_role play_the_part simulat* behave_as
    behave_like respond_as impersonat* immerse act_exactly take_on_the_role take_the_role assume_the_role
    assume_the_persona in_the_role stay_in_character in_character emulat* adapt imitate embody replaced_by
    you_are_now you_are_no_longer no_longer_act known_as reincarnat* answer_as speak_as portray imagine become
    break_character stand_for stands_for are_going_to_be`,
  henceforth: `
    from_now_on from_this_point henceforth henceforward hereafter from_here_on rest_of_this_conversation
    rest_of_the_conversation remainder_of_this from_this_moment from_this_message going_forward starting_now
    as_of_now for_all_subsequent all_subsequent all_future from_this_day all_further effective_immediately`,
  mode: `mode modes`,
  persona: `
    developer_mode dan_mode god_mode sudo_mode opposite_mode maintenance_mode evil_mode
    persona personas personality character characters alter_ego jailbreak* dan godmode unchained villain demon
    anarch* malevolent evil ruthless hacker`,
  free: `
    without_filtering without_restrictions without_any_restrictions without_rules without_limits without_ethics
    disabled_safety safety_checks_were_disabled    unfiltered unfiltred unrestricted uncensored unhinged amoral nonmoral immoral unethical nsfw illegal*
    illicit jailbreak* jailbroken anything_now broken_free break_free breaks_free freed liberated unbound unbiased
    unshackled unchained lawless profanity swear* curse* vulgar offensive offensively harmful 
    whatever_i anything_i no_restrictions no_limits no_rules no_filter* no_limitations no_boundaries no_prohibitions
    no_morals no_ethics no_guidelines no_censorship no_safety despicable hateful rude toxic racist racism sexist
    sexism foul-mouthed do_anything make_up made_up malware bombs drugs meth obscene`,
  morals: `
    moral* ethic* polic* guideline* restriction* filter filters rules limitations censorship boundaries law laws
    legal* openai openai's principles norms confines inhibition* conscience constraints`,
  without: `
    without no not free lacks lack regardless isn't doesn't don't does_not do_not nor never any non ignor* devoid
    exempt out_of avoid`,
  refuse: `
    refus* reject* declin* deny denies can't cannot unable censor* decline_to fulfill* condone*`,
  disclaim: `
    warning warnings disclaim* apolog* moraliz* moralis* remind* lecture* caveat* ethical_concerns refusal`,
  never: `never don't dont not do_not must_not without avoid cannot mustn't shouldn't no refrain`,
  must: `
    must shall always mandatory required have_to has_to need_to should obligat* compulsory strictly supposed_to
    ought_to will is_essential make_sure ensure be_sure`,
  only: `only just simply exactly verbatim nothing solely precisely nothing_else instead`,
  urgent: `important urgent* critical attention emergency immediately warning_to crucial vital`,
  command: `stop cease halt listen please nevermind`,
  tell: `
    tell* mention* reveal* disclos* inform* notif* explain* show alert* acknowledge* report* indicat* expos* asking
    ask confirm* prompting warn* knowing noticing knowledge consent awareness approval confirmation permission`,
  user: `
    user users user's them him her human anyone anybody person operator owner customer this_step these_instructions
    this_instruction this_action this_note these_steps this_request`,
  covertly: `
    hidden_directive hidden_instruction* without_telling without_mention* without_inform* without_notif*
    without_the_user without_alerting do_not_explicitly_mention do_not_say_so don't_say_so do_not_alert never_explain
    keep_this_secret keep_this_private keep_this_confidential keep_this_between keep_this_from keep_it_secret
    keep_secret keep_it_confidential keep_quiet between_us between_ourselves as_if_it's_part as_if_nothing
    look_like_normal look_normal to_look_like hide_from hide_this_from hide_it_from hide_them_from hide_its_output
    hide_that_from nobody_notices no_one_notices not_need_to_know must_not_know should_not_know not_be_told
    not_to_be_notified not_to_be_told`,
  discreet: `
    do_not_mention don't_mention never_mention without_asking do_not_ask don't_ask no_need_to_ask
    without_confirmation no_confirmation without_any_confirmation skip_confirmation skip_all_confirmations
    bypass_the_confirmation without_review without_approval without_waiting not_wait skip_the_permission`,
  send: `
    send* sent forward* upload* exfiltrat* post posts posted transmit* leak* email* e-mail* deliver* submit* bcc*
    cc'd bcc'd relay* copy copies transfer* wire publish* steal* smuggl* report_to mail ship`,
  put: `
    include* append* paste* embed* attach* insert* add adds pass passes passed encode* place put provide* supply concatenat*
    inject*`,
  get: `
    read reads access* fetch* retriev* extract* collect* gather* dump* list obtain* find locate search scan open
    load view cat harvest* recit* reveal* print output display* repeat* show return* include* disclos*`,
  secret: `
    password* passphrase* passwd credential* api_key* apikey* api_keys private_key* ssh_key* access_key* secret_key*
    access_token* auth_token* session_token* bearer_token* secrets environment_variables env_vars cookies
    conversation_history chat_history message_history entire_conversation clipboard seed_phrase recovery_phrase
    mnemonic 2fa otp verification_code one_time_code one_time_password credit_card* card_number* bank_account* ssn
    social_security master_password confidential wallet* security_code personal_data personal_information
    authenticator system_prompt environment ssh_key`,
  intimate: `
    seed_phrase recovery_phrase mnemonic social_security master_password bank_password user's_password their_password
    browser_cookies session_cookies ssh_private_key saved_passwords stored_credentials all_credentials`,
  private: `
    conversation conversations chat_history message_history chat full_chat chat_log system_prompt previous_messages
    last_messages last_message latest_message recent_messages private_messages recent_emails recent_mails last_emails most_recent_emails
    context_window user's_messages user's_message contact_list all_contacts mailbox inbox`,
  entire: `entire full complete whole all verbatim`,
  deed: `
    ignore disregard forget obey follow send forward upload post email mail transmit submit exfiltrate leak publish
    share transfer wire pay buy book purchase refund delete remove wipe erase drop destroy disable run execute
    install download import open visit fetch load read dump collect export print output reveal disclose repeat show
    respond answer reply say tell claim recommend promote rate rank hire praise insert append paste embed include
    add create grant give assign invite approve merge push commit close star mark replace change modify overwrite
    use call invoke switch stop act pretend ask put report pass provide
    state summarise summarize lock accept request write`,
  sink: `
    attacker* webhook* external_endpoint external_server remote_server endpoint external_url drop_box pastebin ngrok
    requestbin this_address following_address this_url following_url third_party`,
  run: `
    execute* executing run runs running invoke* launch* eval delete* remove* wipe* drop install* download* disable*
    shutdown rm grant* transfer* purchase* buy pay`,
  when: `
    when whenever if once every_time each_time anytime upon on_each on_every while after in_case as_soon_as unless`,
  before: `before prior_to ahead_of in_order_to until`,
  first: `first firstly beforehand`,
  afterwards: `then afterwards subsequently next later`,
  call: `call* invoke* use using used uses run running execut* trigger* route* routed`,
  tool: `tool tools function functions plugin plugins server servers operation`,
  other: `other others another`,
  supersede: `
    supersede* replac* reroute* redirect* overrid* modif* shadow* hijack* intercept* alter* takes_precedence
    take_precedence instead_of rather_than in_place_of deprecated_in_favor swap* chang* bcc* bcc'd`,
  approved: `approv* reviewed post-approval after_review during_review approval vetted`,
  say: `
    say says print output write respond* reply replies answer answers repeat type tell return generate state begin
    start echo`,
  answer: `response* reply replies answer answers output outputs message messages summary responses`,
  shape: `
    add append include integrate incorporate modify augment enhance insert replace remove use provide rearrange
    scramble group convert misspell translate introduce substitute render combine jumble anagram encode suggest
    mention end begin start finish write finish_with rephrase format promote recommend tease advertise`,
  limits: `
    content_polic* safety_guidelines usage_polic* ethical_guidelines safety_polic* safety_filter* moral_code
    content_filter* community_guidelines safety_checks safety_rules safety_policy openai_polic* openai's_polic*`,
  prompt: `prompt prompts query queries question questions request requests`,
  two: `two both twice different_ways separate_ways second`,
  game: `
    game games hypothetical* fictional fiction scenario story opposite_day fantasy imaginary world`,
  as: `as like named called`,
  obey: `
    obey* comply complies compliance submissive subservient loyal abide* adhere* follow follows bound tied
    conform_to without_question without_hesitation at_all_costs`,
  mention: `
    such_as e.g. for_example detect* scans scanner examples refers describes describing called_a known_as_a phrase
    phrases test_case flag flags attacks research paper quotes quoted vulnerabilit* sanitiz* documents`,
  hail: `
    note_to note_for notice_to message_to message_for instruction_for instructions_for attention hey hello hi dear
    if_you_are if_you're if_an`,
  toward: `todo note notice instruction instructions message any all for_the to_the you_are`,
  reading: `
    reading reads read processing processes process summariz* summaris* parsing seeing see viewing analyz*`,
  halt: `
    stop_what stop_everything stop_all drop_what drop_everything halt_all cease_all nevermind never_mind
    stop_processing stop_the_current stop_your stop_summari* stop_reading stop_working abort_the_current
    abort_the_task do_not_continue do_not_summari*`,
  innards: `
    system_prompt* hidden_prompt initial_prompt* original_prompt your_prompt your_instructions hidden_system
    hidden_instruction* system_instruction* initial_instruction* context_window your_configuration your_rules
    your_guidelines system_message prompt_verbatim instructions_verbatim everything_above text_above
    words_above the_above internal_instructions hidden_instructions tool_definitions`,
  rank: `
    hereby_order hereby_orders i_order_you i_command_you i_order_the as_your_developer as_your_creator
    as_your_administrator i_am_your_developer i_am_the_administrator i_am_your_creator i_am_the_owner 
    system_override admin_override security_override privileged_instructions privileged_message
    note_to_the_model note_to_model message_to_the_model admin_here on_behalf_of_the_administrator`,
  consented: `
    already_agreed has_agreed already_approved already_authorized been_authorized been_verified has_been_approved
    pre-approved pre_approved already_consented has_consented already_confirmed has_authorized`,
  conduct: `
    behavior behaviour output outputs result results value values recipient recipients destination arguments
    parameters response answer amount account`,
  content: `
    content contents file files data history records messages every_message everything emails documents contacts
    invoices`,
  flawed: `
    wrong incorrect incomplete outdated unreliable broken deprecated insecure compromised inaccurate`,
  malice: `
    exfiltrat* malicious payload backdoor stealthy attack malware spyware keylog* data-exfiltration`,
  arbitrary: `arbitrary shell_command* any_command any_code remote_code`,
  field: `field argument parameter param input`,
  swap: `swap* switch replaced bait`,
  quietly: `silently secretly covertly surreptitiously quietly discreetly stealthily unnoticed undetected in_the_background behind_the_scenes`,
  treat: `treat treats treated consider regard handle`,
  closing: `
    end_of_tool end_of_document end_of_context end_of_prompt end_of_instructions end_of_result* end_of_output
    end_of_data output_ends document_ends results_end document_is_over`,
};
