const text = { type: 'string' };
const list = (items: object): object => ({ type: 'array', items });
const object = (properties: object): object => ({ type: 'object', properties });

const sentence = 'It\'s a "long" day: we\'ve met, we talked & wrote - see `notes.md`. ';

interface Shape {
  readonly properties: object;
  readonly args: object;
}

/** Arguments of the shapes that tools usually take, each a call of about 1 kB, and the properties that declare them. */
export const shapes: Readonly<Record<string, Shape>> = {
  'a note and eight short rows': {
    properties: { title: text, body: text, rows: list(object({ key: text, value: text })) },
    args: {
      title: 'Minutes of Friday; draft (2)',
      body: sentence.repeat(9),
      rows: Array.from({ length: 8 }, (_, id) => ({ key: `k${id}`, value: `row number ${id}` })),
    },
  },
  'plain prose': {
    properties: { body: text },
    args: { body: 'The minutes of the meeting are on the shared drive, as usual. '.repeat(15) },
  },
  'Markdown with code and links': {
    properties: { body: text },
    args: {
      body: '## Setup\n\n- run `npm ci`; then `npm start` (port 3000)\n- see [the guide](https://docs.example/a?b=1&c=2)\n> "50 %" of us | $5\n\n'.repeat(
        7,
      ),
    },
  },
  'source text': {
    properties: { source: text },
    args: {
      source:
        "function f(a, b) {\n  if (a && b) return a['x'] ?? b[0];\n  // see ./src/index.ts\n  return all.map((one) => one.id);\n}\n".repeat(
          8,
        ),
    },
  },
  'forty rows of words and numbers': {
    properties: { rows: list(object({ id: { type: 'integer' }, name: text })) },
    args: { rows: Array.from({ length: 40 }, (_, id) => ({ id, name: `row no. ${id}` })) },
  },
  'forty scalars': {
    properties: Object.fromEntries(
      Array.from({ length: 40 }, (_, n) => [`field_${n}`, { type: ['number', 'string'] }]),
    ),
    args: Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`field_${n}`, n % 2 ? n : `value-${n}`])),
  },
  'paths and addresses': {
    properties: { paths: list(text) },
    args: { paths: Array.from({ length: 24 }, (_, n) => `https://x.example/a/b${n}?q=1&r=two#s`) },
  },
  'Russian and emoji': {
    properties: { body: text },
    args: { body: 'Встреча в пятницу, «план» готов; USB-кабель у нас 👍🏽. '.repeat(11) },
  },
  'typographic English': {
    properties: { body: text },
    args: { body: 'It’s a “long” day – we’ve met, we’ve talked & wrote… see the notes; that’s all. '.repeat(11) },
  },
  'a paper with Greek letters': {
    properties: { body: text },
    args: {
      body: 'It’s within 3 µm of where TNFα was “expected” (Δt = 5 s), which the authors’ earlier work had shown. '.repeat(
        9,
      ),
    },
  },
  'a paper with hyphens that do not break': {
    properties: { body: text },
    args: {
      body: 'β‑carotene, α‑synuclein and IL‑1β (κB‑dependent); NF‑κB, γδ T‑cells, ΔG°, μ‑opioid; IFN‑γ, PPARγ, p38α. '.repeat(
        8,
      ),
    },
  },
  formulas: {
    properties: { body: text },
    args: { body: '∀ε>0 ∃δ>0: |x−a|<δ ⇒ |f(x)−L|<ε; ∑ᵢ xᵢ² ≤ λ·‖x‖², x∈ℝⁿ, ∇f(x)=Ax−b, π≈3.14, σ²=Var(X). '.repeat(7) },
  },
  'Russian with product names': {
    properties: { body: text },
    args: {
      body: 'Сервис nginx перезапущен, API-ключ и URL в файле config.yaml; TCP-порт 8443, см. README. IT‑отдел. '.repeat(
        7,
      ),
    },
  },
  'Vietnamese, decomposed': {
    properties: { body: text },
    args: {
      body: 'Biên bản cuộc họp nằm trên ổ đĩa dùng chung, như thường lệ; xin xem trước thứ Sáu. '
        .normalize('NFD')
        .repeat(9),
    },
  },
  'emoji in a row': { properties: { body: text }, args: { body: '👩‍👩‍👧 ❤️ 👍🏽 🏴󠁧󠁢󠁷󠁬󠁳󠁿 ok, '.repeat(10) } },
  Chinese: {
    properties: { body: text },
    args: { body: '会议记录已经放在共享文件夹里，请在周五之前查看；谢谢。'.repeat(12) },
  },
  Hindi: { properties: { body: text }, args: { body: 'बैठक का विवरण साझा फ़ोल्डर में है, कृपया देखें। '.repeat(8) } },
};
