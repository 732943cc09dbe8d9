/** Requests in which one reader sees the end where another sees a second request; `HEAD` stands for a good first part. */
export function smuggling(): Readonly<Record<string, (hidden: string) => string>> {
  const chunked = (hidden: string): string => `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`;
  const te = (spelling: string) => (hidden: string) => `HEADContent-Length: 4\r\n${spelling}\r\n\r\n0\r\n\r\n${hidden}`;
  const cl = (spelling: string) => (hidden: string) => `HEAD${spelling}\r\n\r\n{}${hidden}`;
  return {
    'control: two requests, one after the other': (hidden) => `HEADContent-Length: 2\r\n\r\n{}${hidden}`,
    'length and chunks, the length longer': (hidden) =>
      `HEADContent-Length: ${hidden.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    'length and chunks, the length shorter': (hidden) =>
      `HEADContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(hidden)}`,
    'chunks with a blank before the colon': te('Transfer-Encoding : chunked'),
    'chunks after a tab': te('Transfer-Encoding:\tchunked'),
    'chunks after a vertical tab': te('Transfer-Encoding:\vchunked'),
    'chunks by another name': te('Transfer-Encoding: xchunked'),
    'chunks, then identity': te('Transfer-Encoding: chunked, identity'),
    'chunks named twice': te('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'),
    'chunks in a folded line': te('Transfer-Encoding:\r\n chunked'),
    'chunks behind a bare line feed': te('X: y\nTransfer-Encoding: chunked'),
    'chunks behind a bare carriage return': te('X: y\rTransfer-Encoding: chunked'),
    'chunks behind a NUL': te('X: y\0\r\nTransfer-Encoding: chunked'),
    'chunks in an HTTP/1.0 request': (hidden) =>
      `HEADTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${hidden}`.replace('HTTP/1.1', 'HTTP/1.0'),
    'two lengths': cl('Content-Length: 2\r\nContent-Length: 900'),
    'two lengths in one line': cl('Content-Length: 2, 900'),
    'a length with a sign': cl('Content-Length: +2'),
    'a negative length': cl('Content-Length: -2'),
    'a hexadecimal length': cl('Content-Length: 0x2'),
    'a length with a blank in it': cl('Content-Length: 2 2'),
    'a length beyond all integers': cl('Content-Length: 18446744073709551618'),
    'a length in a folded line': cl('X: y\r\n Content-Length: 2'),
    'a length behind a bare line feed': cl('X: y\nContent-Length: 2'),
    'a chunk beyond all integers': (hidden) =>
      `HEADTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n${hidden}`,
    'a chunk with a sign': (hidden) => `HEADTransfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n${hidden}`,
    'a hexadecimal chunk': (hidden) => `HEADTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n${hidden}`,
    'a chunk that is longer than it says': (hidden) =>
      `HEADTransfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n0\r\n\r\n${hidden}`,
    'an extension that ends in a line feed': (hidden) =>
      `HEADTransfer-Encoding: chunked\r\n\r\n2;a\n{}\r\n0\r\n\r\n${hidden}`,
    'chunk sizes that end in a line feed': (hidden) => `HEADTransfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n${hidden}`,
    'lines that end in a line feed': (hidden) => `HEADContent-Length: 2\n\n{}${hidden}`,
    'a last chunk that is missing': (hidden) => `HEADTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n${hidden}`,
    'a body that nobody waits for': (hidden) => `HEADConnection: close\r\nContent-Length: 2\r\n\r\n{}${hidden}`,
    'a first line that is none': (hidden) => `GARBAGE\r\n\r\n${hidden}`,
    'a first line without a version': (hidden) => `POST /mcp\r\n\r\n${hidden}`,
    'the preface of HTTP/2': (hidden) => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${hidden}`,
    'a tunnel': (hidden) => `CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n${hidden}`,
  };
}
