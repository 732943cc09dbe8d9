/** What stands where a host should: this machine, its neighbours, and metadata services, in the spellings of attackers. */
export const spellings: readonly string[] = [
  // The addresses as they are.
  ...['169.254.169.254', '127.0.0.1', '127.255.255.254', '0.0.0.0', '10.66.0.1', '100.100.100.200', '192.0.0.192'],
  ...['168.63.129.16', '169.254.170.2', '172.16.0.1', '192.168.0.1', '100.64.0.1', '224.0.0.1', '255.255.255.255'],
  // Short, decimal, octal, hexadecimal, mixed, padded, too large (inet_aton(3), WHATWG URL).
  ...['127.1', '127.0.1', '0', '0.0', '2130706433', '2852039166', '017700000001', '0251.0376.0251.0376', '0177.1'],
  ...['0x7f000001', '0x7f.0.0.1', '0xA9FEA9FE', '0xa9.0xfe.0xa9.0xfe', '0xa9.254.0251.254', '169.254.43518'],
  ...['169.16689662', '00000251.00376.0251.0376', '425.510.425.510', '4294967297', '0x100000007f000001', '0x', '0.0x'],
  ...['169.254.169.254.', '127.0.0.1.', '2130706433.', '0x7f.1.'],
  // IPv6: loopback, unspecified, mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP, unique and link local, zones.
  ...['[::1]', '[::]', '[0:0:0:0:0:0:0:1]', '[::ffff:169.254.169.254]', '[::ffff:a9fe:a9fe]', '[::ffff:127.0.0.1]'],
  ...['[0000::1]', '[::169.254.169.254]', '[::a9fe:a9fe]', '[::ffff:0:169.254.169.254]', '[64:ff9b::169.254.169.254]'],
  ...['[64:ff9b:1::a9fe:a9fe]', '[2002:a9fe:a9fe::1]', '[2001:0:a9fe:a9fe::5601:5601]', '[fe80::5efe:a9fe:a9fe]'],
  ...['[2a00::200:5efe:a9fe:a9fe]', '[fd00:ec2::254]', '[fe80::1]', '[fc00::1]', '[ff02::1]', '[::1%lo]', '[::1%25lo]'],
  ...['::1', '::ffff:127.0.0.1', '0000::1', '[::1', '::1]', '[127.0.0.1]', '[169.254.169.254]', '[localhost]'],
  // Names.
  ...['localhost', 'LOCALHOST', 'localhost.', 'a.localhost', 'localhost.localdomain', 'ip6-localhost', 'ip6-loopback'],
  ...['metadata', 'metadata.google.internal', 'METADATA.google.internal.', 'metadata.goog', 'instance-data'],
  ...['instance-data.ec2.internal', 'rancher-metadata', 'metadata.azure.internal', 'metadata.tencentyun.com'],
  ...['127.0.0.1.nip.io', '169-254-169-254.nip.io', 'a.10.66.0.1.sslip.io', 'localtest.me', 'a.lvh.me'],
  // Digits, dots and letters that some library folds to ASCII; in UTF-8.
  ...[
    '１２７.０.０.１',
    '127。0。0。1',
    '①②⑦.⓪.⓪.①',
    '169｡254｡169｡254',
    'ｌｏｃａｌｈｏｓｔ',
    'ℓocalhost',
    '۱۲۷.۰.۰.۱',
    'localhoſt',
  ],
  // Two hosts in one, for two parsers.
  ...['api.example.org@169.254.169.254', '169.254.169.254@api.example.org', 'api.example.org#@127.0.0.1'],
  ...[
    'api.example.org\\@127.0.0.1',
    '127.0.0.1\\.api.example.org',
    '127.0.0.1%00.api.example.org',
    'api.example.org%2e',
  ],
  ...['127.0.0.1#.api.example.org', '127.0.0.1?.api.example.org', '127.0.0.1/.api.example.org', '%31%32%37.0.0.1'],
  ...[
    'api.example.org%40127.0.0.1',
    'api.example.org,127.0.0.1',
    'api.example.org;127.0.0.1',
    '127.0.0.1:80#api.example.org',
  ],
];
