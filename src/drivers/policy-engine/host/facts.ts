import type { RequestFacts } from '../../../contract/policy-engine.ts';

/** Facts that JSON or an engine would write as something else must not become another question. */
export function faultOf({ hour, weekday, mfa_age_s, ip_risk }: RequestFacts): string | undefined {
  if (!Number.isInteger(hour) || hour < 0 || hour > 23) return 'the hour is not known';
  if (!Number.isInteger(weekday) || weekday < 1 || weekday > 7) return 'the day of the week is not known';
  if (ip_risk !== undefined && !(Number.isInteger(ip_risk) && ip_risk >= 0 && ip_risk <= 100))
    return 'the risk of the address is no whole number from 0 to 100';
  if (mfa_age_s !== undefined && !(Number.isSafeInteger(mfa_age_s) && mfa_age_s >= 0))
    return 'the age of the second factor is no whole number';
  return undefined;
}
