// The console of Sextant: ask, watch the answer stream, see its sources and where its time went.
// Text from the server enters the page as textContent only; the key stays in sessionStorage.

const API = new URL("../", import.meta.url); // "/" when the page is at /console/
const KEY_SLOT = "sextant.key";
const POLL_MS = 5000;
const ENDINGS = { length: "Cut at the token limit.", content_filter: "Ended by a guardrail." };

const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));
const conversation = []; // the messages that the next question carries along
let apiKey = sessionStorage.getItem(KEY_SLOT) ?? "";
let running = null; // the AbortController of the answer that streams now

// --- the page ---------------------------------------------------------------------------------
const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

/** Sets the texts of parts by name; what is unknown reads as a dash. */
function fill(parts, texts) {
  for (const [name, text] of Object.entries(texts)) parts[name].textContent = text ?? "–";
  return parts;
}

/** A copy of a <template> with its texts: `root`, and each element that has a data-part. */
function stamp(template, texts) {
  const root = template.content.firstElementChild.cloneNode(true);
  const named = [...root.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]);
  return fill({ root, ...Object.fromEntries(named) }, texts);
}

const inMs = (ms) =>
  Number.isFinite(ms) ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString("en")} ms` : null;

/** By selection: navigator.clipboard is missing where the page comes over plain http. */
function copy(button, node) {
  getSelection().selectAllChildren(node);
  const label = (button.dataset.label ??= button.textContent);
  button.textContent = document.execCommand("copy") ? "copied" : "selected";
  setTimeout(() => (button.textContent = label), 1500);
}

function showError({ title = "No answer", message, requestId, status }) {
  fill(page, { errorTitle: title, errorMessage: message, errorId: requestId ?? "" });
  page.error.hidden = false;
  page.error.scrollIntoView({ block: "nearest" });
  if (status === 401) page.key.focus();
}

// --- the API ----------------------------------------------------------------------------------
class ApiError extends Error {
  constructor(message, details = {}) {
    super(message);
    Object.assign(this, details); // status, title, requestId: each where known
  }
}

async function call(path, options) {
  // Header values are Latin-1: fetch would throw a TypeError that reads like a network failure.
  const needed = { status: 401, title: "A key is needed" };
  if (!/^[\x21-\x7e]+$/.test(apiKey)) throw new ApiError("Enter a valid API key first.", needed);
  const headers = { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/json" };
  const response = await fetch(new URL(path, API), { ...options, headers }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new ApiError("Sextant did not answer. Is it running, and can this browser reach it?");
  });
  if (!response.ok) throw await refusalOf(response);
  return response;
}

async function refusalOf(response) {
  const body = await response.json().catch(() => null);
  const message = body?.error?.message ?? "The reply is not one of Sextant's: a proxy may stand between.";
  const wait = response.headers.get("retry-after");
  return new ApiError(wait ? `${message} Try again in ${wait} s.` : message, {
    status: response.status,
    title: `${response.status} ${body?.error?.code ?? response.statusText}`,
    requestId: response.headers.get("x-request-id"),
  });
}

/** The JSON values of an SSE body up to [DONE]; a body that ends before it is an error. */
async function* chunksOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value = "", done } = await reader.read();
    const lines = (rest + value).split(/\r?\n/);
    rest = done ? "" : lines.pop(); // a line may be cut anywhere
    for (const line of lines) {
      if (!line.startsWith("data:")) continue; // comments keep idle connections open
      const data = line.slice(5).trim();
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ApiError(chunk.error.message, { title: chunk.error.code ?? undefined });
      yield chunk;
    }
    if (done) throw new ApiError("The stream broke off before its end.");
  }
}

// --- the answer's text: a small part of Markdown, and the marks of the sources -----------------
const FENCE = /(^[ \t]*```[^]*?(?:\n[ \t]*```[^\n]*|$(?![^])))/m; // an open fence runs to the end so far
const ITEM = /^(\s*)(?:[-*•]|(\d+[.)]))\s+/;
const INLINE = /^#{1,6} +(.+)$|`([^`\n]+)`|\*\*(.+?)\*\*|(?<![\w*])\*([^\s*][^*\n]*)\*|\[(\d+(?:\s*,\s*\d+)*)\]/gm;

/** Code fences and paragraphs, in order. */
function blocksOf(text) {
  const blocks = text.split(FENCE).flatMap((part, at) => (at % 2 ? [part.trim()] : part.split(/\n\s*\n/)));
  return blocks.filter((block) => block.trim()).map((block) => block.replace(/^\n+|\s+$/g, ""));
}

function blockNode(source, cite) {
  if (!source.startsWith("```")) return paragraphOf(source.split("\n"), cite);
  const textContent = source.replace(/^```.*\n?/, "").replace(/\n?[ \t]*```.*$/, "");
  return make("pre", { tabIndex: 0, textContent }); // wide code is scrolled by keyboard too
}

function paragraphOf(lines, cite) {
  const bullet = (_, indent, number) => `${indent}${number ?? "•"} `;
  const span = (line) => make("span", { className: ITEM.test(line) ? "item" : "" });
  const paragraph = make("p");
  paragraph.append(...lines.map((line) => inline(span(line), line.replace(ITEM, bullet), cite)));
  return paragraph;
}

function inline(parent, text, cite) {
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, heading, code, bold, soft, marks] = match;
    parent.append(text.slice(from, match.index));
    from = match.index + whole.length;
    if (code) parent.append(make("code", { textContent: code }));
    else if (marks) parent.append(...(cite(marks.split(",").map(Number)) ?? [whole]));
    else parent.append(inline(make(soft ? "em" : "strong"), heading ?? bold ?? soft, cite));
  }
  parent.append(text.slice(from));
  return parent;
}

// --- one question and its answer --------------------------------------------------------------
class Turn {
  text = "";
  cards = new Map(); // citation index -> its card
  drawn = []; // the source of each block on the page
  startedAt = performance.now();

  constructor(question, model) {
    this.model = model;
    this.parts = stamp(page.turnTemplate, { question, model });
    page.turns.append(this.parts.root);
    this.parts.root.scrollIntoView({ behavior: "instant" }); // no further: an answer is read from its start
  }

  open(headers) {
    this.requestId = headers.get("x-request-id");
    this.cache = headers.get("x-sextant-cache");
    this.stages = stagesOf(headers.get("server-timing") ?? "");
    drawWay(this);
  }

  take({ choices: [choice] = [], model, usage, sextant }) {
    if (model && model !== this.model) this.parts.model.textContent = `${this.model} → ${model}`;
    if (sextant?.citations?.length) this.cite(sextant.citations);
    if (choice?.finish_reason in ENDINGS) this.note(ENDINGS[choice.finish_reason]);
    this.cache ??= sextant?.cache;
    this.usage = usage ?? this.usage;
    if (!choice?.delta?.content) return;
    this.firstAt ??= performance.now();
    this.text += choice.delta.content;
    this.frame ??= requestAnimationFrame(() => this.draw()); // tokens may outrun the screen
  }

  /** Draws only the blocks that changed, so that marks in earlier ones keep their focus. */
  draw() {
    const { prose } = this.parts;
    this.frame = null;
    blocksOf(this.text).forEach((source, at) => {
      if (this.drawn[at] === source) return;
      const node = blockNode(source, (indexes) => this.marks(indexes));
      prose.children[at] ? prose.children[at].replaceWith(node) : prose.append(node);
      this.drawn[at] = source;
    });
  }

  /** Buttons for [1] or [1, 2]; null when one of them is no source, as in `list[0]`. */
  marks(indexes) {
    if (!indexes.every((index) => this.cards.has(index))) return null;
    return indexes.map((index) => {
      const mark = { type: "button", className: "mark", textContent: index, ariaLabel: `Source ${index}` };
      return make("button", { ...mark, onclick: () => light(this.cards.get(index)) });
    });
  }

  cite(citations) {
    this.cards = new Map(citations.map((citation) => [citation.index, cardOf(citation)]));
    this.parts.cards.replaceChildren(...this.cards.values());
    this.parts.sources.hidden = false;
    this.drawn = []; // marks that were plain text become buttons
  }

  note(text) {
    fill(this.parts, { note: text }).note.hidden = false;
  }

  close() {
    this.draw(); // frames stand still in a hidden tab
    this.parts.answer.classList.add("done");
    if (this.requestId) this.tell(performance.now() - this.startedAt, this.firstAt - this.startedAt);
  }

  tell(totalMs, firstMs) {
    const { parts, cache, requestId: request } = this;
    const { prompt_tokens: tokensIn, completion_tokens: tokensOut } = this.usage ?? {};
    const replayed = /^(hit|exact|semantic)/.test(cache ?? "");
    const perSecond = replayed ? NaN : (1000 * (tokensOut - 1)) / (totalMs - firstMs); // of decoding alone
    const rate = perSecond > 0 ? perSecond.toFixed(perSecond < 10 ? 1 : 0) : null;
    fill(parts, { first: inMs(firstMs), total: inMs(totalMs), rate, tokensIn, tokensOut, cache, request });
    parts.cache.classList.toggle("good", replayed);
    parts.copy.onclick = () => copy(parts.copy, parts.request);
    parts.way.onclick = () => drawWay(this).scrollIntoView({ block: "nearest" }); // narrow pages have it below
    parts.facts.hidden = false;
  }
}

function cardOf({ index, document, title, heading, page: sheet, score, text }) {
  const place = [title, heading, sheet && `page ${sheet}`].filter(Boolean).join(" · ");
  const texts = { index, document, heading: place, excerpt: text, value: score?.toFixed(2) ?? "" };
  const parts = stamp(page.cardTemplate, texts);
  parts.bar.style.width = `${100 * Math.min(1, Math.max(0, score ?? 0))}%`;
  return parts.root;
}

function light(card) {
  document.querySelector(".card.lit")?.classList.remove("lit");
  card.classList.add("lit");
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

async function ask(question) {
  const model = page.model.value;
  if (apiKey && !model) throw new ApiError("Choose a model first.");
  const asked = { role: "user", content: question };
  const body = { model, messages: [...conversation, asked], stream: true, stream_options: { include_usage: true } };
  if (page.deterministic.checked) body.temperature = 0;
  const turn = new Turn(question, model);
  const { signal } = setRunning(new AbortController());
  try {
    const response = await call("v1/chat/completions", { method: "POST", body: JSON.stringify(body), signal });
    turn.open(response.headers);
    for await (const chunk of chunksOf(response)) turn.take(chunk);
    page.announce.textContent = `Answer: ${turn.text}`;
  } catch (error) {
    if (!signal.aborted) throw failed(turn, question, error);
    turn.note("Stopped.");
  } finally {
    setRunning(null);
    turn.close();
  }
  const kept = turn.text && turn.parts.root.isConnected; // Clear may have come in between
  if (kept) conversation.push(asked, { role: "assistant", content: turn.text });
}

/** The error to show. Without a word of an answer, the question goes back into its box. */
function failed(turn, question, thrown) {
  const error = thrown instanceof ApiError ? thrown : new ApiError("The connection broke off before the answer's end.");
  error.requestId ??= turn.requestId;
  turn.note("Cut off by an error.");
  if (turn.text) return error;
  turn.parts.root.remove();
  page.prompt.value ||= question;
  return error;
}

function setRunning(controller) {
  const focused = [page.send, page.stop].includes(document.activeElement);
  running?.abort(); // after an error the rest of the stream is of no use
  running = controller;
  page.send.hidden = Boolean(controller);
  page.stop.hidden = !controller;
  if (focused) (controller ? page.stop : page.prompt).focus(); // a hidden button would lose it
  return controller;
}

function clear() {
  running?.abort();
  conversation.length = 0;
  page.turns.replaceChildren();
  page.error.hidden = true;
}

// --- the panels -------------------------------------------------------------------------------
/** `guard;dur=8.1, embed;dur=2` -> [{ name, ms }], in the order of the header. */
function stagesOf(header) {
  const found = [...header.matchAll(/([\w.-]+)\s*;[^,]*?dur=([\d.e+-]+)/gi)];
  return found.map(([, name, ms]) => ({ name: name.replaceAll("_", " "), ms: Number(ms) }));
}

function drawWay({ stages, cache, parts: { root } }) {
  const longest = Math.max(0.1, ...stages.map(({ ms }) => ms));
  const power = 10 ** Math.floor(Math.log10(longest));
  const scale = [1, 2, 5, 10].find((step) => step * power >= longest) * power; // a round end for the ruler
  page.stages.replaceChildren(...stages.map(({ name, ms }) => {
    const parts = stamp(page.stageTemplate, { name, ms: inMs(ms) });
    parts.bar.style.width = `${(100 * ms) / scale}%`;
    return parts.root;
  }));
  const which = page.turns.lastElementChild === root ? "Last answer" : "An earlier answer";
  const wayNote = `${which}, cache: ${cache ?? "not told"}${stages.length ? "" : "; its stages were not timed"}`;
  fill(page, { rulerMid: scale / 2, rulerMax: `${scale} ms`, wayNote });
  return page.wayTitle;
}

/** JSON of a route that needs no key, whatever its status; null when nothing answers. */
async function peek(path) {
  const options = { cache: "no-store", signal: AbortSignal.timeout(0.8 * POLL_MS) }; // polls never overlap
  return fetch(new URL(path, API), options).then((response) => response.json()).catch(() => null);
}

async function drawHealth() {
  const report = await peek("readyz");
  const status = report ? (report.status ?? "unready") : "unreachable";
  page.status.dataset.state = status;
  if (page.statusText.textContent !== status) {
    page.statusText.textContent = status; // only at a change: a live region speaks at each write
    if (report && page.model.disabled) attempt(loadModels); // at the start, and when it comes back
  }
  const dependencies = Object.entries(report?.dependencies ?? {});
  page.deps.replaceChildren(...dependencies.map(([name, { state, latency_ms: latency, required }]) => {
    const texts = { name, state, latency: inMs(latency) ?? "", need: required ? "" : "optional" };
    const parts = stamp(page.depTemplate, texts);
    parts.root.dataset.state = state;
    return parts.root;
  }));
}

async function drawLinks() {
  const links = (await peek("console/links")) ?? {};
  for (const [name, textContent] of [["mlflow", "MLflow"], ["ray", "Ray dashboard"], ["metrics", "Metrics"]]) {
    const href = links[name];
    if (!/^https?:/i.test(href)) continue; // null, or a javascript: URL out of some config file
    page.links.append(make("a", { textContent, href, target: "_blank", rel: "noopener noreferrer" }));
  }
}

async function loadModels() {
  page.model.disabled = true;
  page.model.replaceChildren(new Option(apiKey ? "none loaded" : "enter a key first", ""));
  if (!apiKey) return;
  const key = apiKey;
  const { data } = await (await call("v1/models")).json();
  if (key !== apiKey) return; // another key came in between
  const offered = data.filter(({ sextant }) => sextant?.kind !== "embedder");
  page.model.replaceChildren(...offered.map(({ id, sextant }) => {
    const target = sextant?.kind === "alias" ? ` → ${sextant.model}` : "";
    return new Option(`${id}${target}${sextant?.retrieval ? ", with sources" : ""}`, id);
  }));
  page.model.value = (offered.find(({ sextant }) => sextant?.retrieval) ?? offered[0])?.id ?? "";
  page.model.disabled = !offered.length;
}

// --- wiring -----------------------------------------------------------------------------------
const attempt = (action) => action().catch(showError);

function useKey(event) {
  event.preventDefault();
  if (page.key.value.trim() === apiKey) return;
  apiKey = page.key.value.trim();
  sessionStorage.setItem(KEY_SLOT, apiKey);
  clear(); // what one tenant's key was told is never sent along with another's
  attempt(loadModels);
}

function send(event) {
  event.preventDefault();
  const question = page.prompt.value.trim();
  if (!question || running) return;
  page.error.hidden = true;
  page.prompt.value = "";
  attempt(() => ask(question));
}

page.keyForm.onsubmit = page.key.onchange = useKey;
page.keyShow.onclick = () => {
  page.key.type = page.key.type === "password" ? "text" : "password";
  page.keyShow.ariaPressed = String(page.key.type === "text");
};
page.ask.onsubmit = send;
page.prompt.onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event); // Enter may pick a character
};
page.stop.onclick = () => running?.abort();
page.clear.onclick = clear;
page.errorClose.onclick = () => (page.error.hidden = true);
page.errorCopy.onclick = () => copy(page.errorCopy, page.errorId);
setInterval(() => document.hidden || drawHealth(), POLL_MS);

page.key.value = apiKey;
drawHealth();
drawLinks();
