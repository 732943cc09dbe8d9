/**
 * Functions of Rego that policies may use: those that only compute, of what they are given. A function that is not here,
 * also one that OPA will have some day, is refused: it could reach the network (`http.send`, `net.lookup_ip_addr`, schemas
 * that refer to others), read OPA's environment (`opa.runtime`), or answer otherwise the next time (`time.now_ns`, `rand.intn`).
 */
export const FUNCTIONS: ReadonlySet<string> = new Set(
  `abs all and any array.concat array.flatten array.reverse array.slice assign base64.decode base64.encode base64.is_valid
  base64url.decode base64url.encode base64url.encode_no_pad bits.and bits.lsh bits.negate bits.or bits.rsh bits.xor ceil concat
  contains count div endswith eq equal floor format_int glob.match glob.quote_meta gt gte hex.decode hex.encode indexof indexof_n
  internal.member_2 internal.member_3 internal.template_string intersection is_array is_boolean is_null is_number is_object is_set
  is_string json.filter json.is_valid json.marshal json.remove json.unmarshal lower lt lte max min minus mul neq net.cidr_contains
  net.cidr_contains_matches net.cidr_intersects net.cidr_is_valid object.filter object.get object.keys object.remove object.subset
  object.union object.union_n or plus product regex.find_n regex.is_valid regex.match regex.replace regex.split rem replace round
  semver.compare semver.is_valid set_diff sort split sprintf startswith strings.any_prefix_match strings.any_suffix_match
  strings.count strings.replace_n strings.reverse substring sum to_number trim trim_left trim_prefix trim_right trim_space
  trim_suffix type_name union units.parse units.parse_bytes upper uri.is_valid uri.parse urlquery.decode urlquery.encode`.split(
    /\s+/,
  ),
);
