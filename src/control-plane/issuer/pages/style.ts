/** One sheet for all pages: no font, image or sheet from elsewhere. */
export const STYLE = `
:root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--ink:#14181f;--soft:#5a6372;--line:#dfe3e9;--well:#f6f7f9;
--key:#1f5fd6;--key-ink:#fff;--key-over:#194fb3;--warn:#8a4b00;--warn-well:#fff5e3;--warn-line:#f0d5a5;--good:#12703f}
@media(prefers-color-scheme:dark){:root{--page:#0e1116;--card:#171b22;--ink:#e8ebf0;--soft:#9aa4b2;--line:#2a313c;--well:#11151b;
--key:#7aa7ff;--key-ink:#0b1220;--key-over:#98bbff;--warn:#f3c77a;--warn-well:#271f10;--warn-line:#4d3d1c;--good:#6fd39b}}
*{box-sizing:border-box}
html{font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;background:var(--page);color:var(--ink)}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:2rem 1rem;align-content:center;gap:1.1rem}
main{width:100%;max-width:29rem;background:var(--card);border:1px solid var(--line);border-radius:16px;padding:2.1rem 2.1rem 1.9rem;
box-shadow:0 1px 2px rgb(0 0 0/.05),0 14px 36px -16px rgb(0 0 0/.2)}
main.wide{max-width:44rem}
form+p,.actions+p{margin-top:.9rem;font-size:.88rem;margin-bottom:0}.brand{display:flex;align-items:center;gap:.55rem;color:var(--soft);font-weight:600;letter-spacing:.01em;margin-bottom:1.5rem;font-size:.94rem}
.brand svg{width:24px;height:24px;color:var(--key)}
h1{font-size:1.5rem;line-height:1.25;letter-spacing:-.015em;margin:0 0 .6rem;text-wrap:balance;overflow-wrap:anywhere}
h2{font-size:.95rem;margin:1.3rem 0 .45rem}
p{margin:0 0 1rem;color:var(--soft)}p:last-child{margin-bottom:0}p b,dd b{color:var(--ink);font-weight:600}
dl{margin:1.3rem 0;border:1px solid var(--line);border-radius:12px;background:var(--well);overflow:hidden}
dl>div{display:grid;grid-template-columns:6.4rem 1fr;gap:.9rem;padding:.72rem 1rem}dl>div+div{border-top:1px solid var(--line)}
dt{color:var(--soft);font-size:.9rem}dd{margin:0;overflow-wrap:anywhere;font-size:.95rem}dd small{display:block;color:var(--soft);font-size:.85rem}
dd ul{margin:0;padding:0;list-style:none;display:grid;gap:.35rem}
dd li{padding-left:1.4rem;position:relative}dd li::before{content:"";position:absolute;left:.2rem;top:.42em;width:.34rem;height:.62rem;
border:solid var(--good);border-width:0 2px 2px 0;transform:rotate(42deg)}
pre{margin:.4rem 0 1.2rem;padding:.95rem 1rem;border:1px solid var(--line);border-radius:12px;background:var(--well);font:.86rem/1.55 ui-monospace,
SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre-wrap;overflow-wrap:anywhere;tab-size:2;unicode-bidi:plaintext}
mark{background:var(--warn-well);color:var(--warn);border:1px solid var(--warn-line);border-radius:4px;padding:0 .22em;font:.78em ui-monospace,monospace}
.note{border:1px solid var(--warn-line);background:var(--warn-well);color:var(--warn);border-radius:12px;padding:.75rem 1rem;margin:0 0 1.1rem;font-size:.93rem}
.actions{display:flex;gap:.7rem;margin-top:1.5rem}.actions form{flex:1}.actions form.slim{flex:0 1 auto}
dl+form,p+form{margin-top:1.4rem}button{font:inherit;font-weight:600;border-radius:10px;padding:.72rem 1.15rem;border:1px solid transparent;cursor:pointer;width:100%;min-height:46px}
button.key{background:var(--key);color:var(--key-ink)}button.key:hover{background:var(--key-over)}
button.plain{background:transparent;color:var(--ink);border-color:var(--line)}button.plain:hover{background:var(--well)}
button.link{width:auto;min-height:0;padding:0;border:0;background:none;color:var(--key);font-weight:500;text-decoration:underline;text-underline-offset:3px}
button[disabled]{opacity:.55;cursor:default}
:focus-visible{outline:3px solid var(--key);outline-offset:2px}
.status{margin:1rem 0 0}.status:empty{margin:0;padding:0;border:0}
.as{margin:1.4rem 0 0;padding-top:1.1rem;border-top:1px solid var(--line);font-size:.9rem;color:var(--soft);display:flex;flex-wrap:wrap;gap:.3rem .6rem;align-items:baseline}
.as b{color:var(--ink);font-weight:600}
footer{color:var(--soft);font-size:.82rem;text-align:center}
@media(max-width:30rem){main{padding:1.5rem 1.25rem}dl>div{grid-template-columns:1fr;gap:.1rem}.actions{flex-direction:column-reverse}}
@media(prefers-reduced-motion:no-preference){button{transition:background .12s}}
`.replaceAll('\n', '');
