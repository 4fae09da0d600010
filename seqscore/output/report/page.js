"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("data").textContent);
  const [ID, GROUP, HEADING, ERROR, VALUES, ITEMS, OTHERS] = [0, 1, 2, 3, 4, 5, 6];
  const [LABEL, CONTEXT, TEXT, TOTAL, SCORED, CHOSEN, RIGHT, PARTS, NOTE, TOKENS] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const BOUNDS = [1, 2, 4, 8, 16];
  const AT_ONCE = 3000; // tokens of a text that are put on the page in one go
  const two = data.runs.length > 1;
  const grouped = data.rows.some((row) => row[GROUP] !== null);

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // ---- numbers ----------------------------------------------------------------------------------------------------
  const number = (value) => {
    if (value === null) return "–";
    const n = Number(value);
    if (!Number.isFinite(n)) return n > 0 ? "inf" : "-inf";
    if (Number.isInteger(n) && Math.abs(n) < 1e6) return n.toLocaleString("en");
    if (Math.abs(n) >= 1e6) return n.toExponential(3);
    return Math.abs(n) >= 100 ? n.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : n.toFixed(4);
  };
  const signed = (value) => (value !== null && Number(value) > 0 ? "+" : "") + number(value);
  const probability = (p) => (p >= 0.001 ? p.toFixed(4) : p.toExponential(2));

  // Characters that move, hide or turn text around are shown by their numbers; joiners, which scripts need, stay.
  const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;
  const visible = (text) => text.replace(HIDDEN, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const spelled = (text) => visible(text).replaceAll("\n", "↵\n").replaceAll("\t", "⇥\t");

  // ---- tokens, unpacked when they are first asked for -----------------------------------------------------------------
  const KINDS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f8: Float64Array };
  const unpacked = {};
  const array = (name) => {
    if (!(name in unpacked)) {
      const packed = data.tokens[name];
      if (packed === undefined) unpacked[name] = null;
      else {
        const text = atob(packed.data);
        const bytes = new Uint8Array(text.length);
        for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
        unpacked[name] = new KINDS[packed.kind](bytes.buffer);
      }
    }
    return unpacked[name];
  };
  const pieces = (item) => {
    if (item[TOKENS] === null) return null;
    const [first, count, token, begin] = item[TOKENS];
    const text = data.contexts[item[CONTEXT]] + item[TEXT];
    const [lengths, counts, logprobs] = [array("lengths"), array("counts"), array("logprobs")];
    const found = [];
    let [place, next] = [begin, token];
    for (let i = first; i < first + count; i++) {
      const end = next + counts[i];
      let nats = 0;
      for (let t = next; t < end; t++) nats -= logprobs[t];
      found.push({ text: text.slice(place, place + lengths[i]), first: next, last: end, bits: nats / Math.LN2 + 0 });
      place += lengths[i];
      next = end;
    }
    return { found, before: text.slice(0, begin), offset: token };
  };
  const shade = (bits) => { let i = 0; while (i < BOUNDS.length && bits >= BOUNDS[i]) i++; return i; };

  // ---- the table ----------------------------------------------------------------------------------------------------
  const textOf = (row) => {
    if (row[ERROR] !== null && !row[ITEMS].length) return row[ERROR];
    const [before, place] = row[HEADING];
    return before + (place === null ? "" : row[ITEMS][place][TEXT]);
  };
  const texts = data.rows.map(textOf);
  const columns = [
    { title: "row", value: (i) => data.rows[i][ID], name: "id" },
    ...(grouped ? [{ title: "group", value: (i) => data.rows[i][GROUP] ?? "", name: "group" }] : []),
    { title: "text", value: (i) => texts[i], name: "text" },
    ...data.columns.map((column, place) => ({
      title: column.unit && column.kind === "number" ? `${column.title} [${column.unit}]` : column.title,
      value: (i) => data.rows[i][VALUES][place], kind: column.kind, run: column.run, name: "value",
    })),
  ];

  let order = data.rows.map((_, i) => i);
  let shown = order;
  let sorted = { column: -1, down: false };
  let active = 0;

  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === "string" && typeof b === "string" && !/^-?Infinity$/.test(a + b)) return natural.compare(a, b);
    return Number(a) - Number(b);
  };
  const natural = new Intl.Collator("en", { numeric: true });
  const sort = (place) => {
    const down = sorted.column === place ? !sorted.down : columns[place].kind === "number";
    sorted = { column: place, down };
    const values = data.rows.map((_, i) => columns[place].value(i));
    const missing = (i) => values[i] === null;
    order = data.rows.map((_, i) => i);
    order.sort((i, j) => missing(i) - missing(j) || (down ? -1 : 1) * compare(values[i], values[j]) || i - j);
    [...at("head").children].forEach((cell, i) => {
      if (i === place) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    filter();
  };

  let hay = null;
  const haystack = (i) => {
    hay ??= [];
    if (hay[i] === undefined) {
      const row = data.rows[i];
      const words = [row[ID], row[GROUP] ?? "", row[ERROR] ?? ""];
      for (const item of row[ITEMS]) words.push(item[TEXT], data.contexts[item[CONTEXT]].slice(-2000));
      hay[i] = words.join("\n").toLowerCase();
    }
    return hay[i];
  };
  const hitPlaces = data.columns.flatMap((column, i) => (column.headline ? [i] : []));
  const KEEP = {
    all: () => true,
    right: (row) => row[VALUES][hitPlaces[0]] === 1,
    wrong: (row) => row[VALUES][hitPlaces[0]] === 0,
    gained: (row) => row[VALUES][hitPlaces[0]] === 0 && row[VALUES][hitPlaces[1]] === 1,
    lost: (row) => row[VALUES][hitPlaces[0]] === 1 && row[VALUES][hitPlaces[1]] === 0,
    errors: (row) => row[ERROR] !== null,
  };
  const filter = () => {
    const wanted = at("search").value.trim().toLowerCase();
    const keep = KEEP[at("only").value];
    shown = order.filter((i) => keep(data.rows[i]) && (!wanted || haystack(i).includes(wanted)));
    active = 0;
    at("scroll").scrollTop = 0;
    at("count").textContent = `${shown.length.toLocaleString("en")} of ${data.rows.length.toLocaleString("en")} rows`;
    draw();
  };

  const offer = (value, label) => at("only").append(make("option", { value, textContent: label }));
  if (hitPlaces.length) { offer("right", two ? "right in a" : "right"); offer("wrong", two ? "wrong in a" : "wrong"); }
  if (hitPlaces.length > 1) { offer("gained", "wrong in a, right in b"); offer("lost", "right in a, wrong in b"); }
  if (data.rows.some((row) => row[ERROR] !== null)) offer("errors", "not scored");
  at("only-label").hidden = at("only").options.length < 2;

  columns.forEach((column, place) => {
    const button = make("button", { type: "button", textContent: column.title });
    button.addEventListener("click", () => sort(place));
    const cell = make("th", { scope: "col", className: `${column.kind === "number" ? "number " : ""}c-${column.name}` }, button);
    at("head").append(cell);
  });

  const cellOf = (column, i) => {
    const value = column.value(i);
    const cell = make("td", {});
    if (column.kind === "number") {
      cell.className = "number";
      cell.textContent = column.run === "difference" ? signed(value) : number(value);
      if (value !== null) { cell.title = String(value); cell.dataset.value = String(value); }
    } else if (column.kind === "flag") {
      cell.textContent = value === null ? "–" : value ? "✓ right" : "✗ wrong";
      cell.className = value === null ? "" : value ? "yes" : "no";
      if (value !== null) cell.dataset.value = String(value);
    } else {
      cell.dir = "auto";
      cell.textContent = visible(value.length > 400 ? value.slice(0, 400) + "…" : value);
      if (data.rows[i][ERROR] !== null && column.name === "text") cell.className = "error";
    }
    cell.classList.add(`c-${column.name}`);
    return cell;
  };

  const height = () => parseFloat(getComputedStyle(document.documentElement).fontSize) * 2.25;
  const padding = (size) => {
    const cell = make("td", { colSpan: columns.length });
    cell.style.height = `${size}px`;
    return make("tr", { className: "pad", ariaHidden: "true" }, cell);
  };
  const draw = () => {
    const box = at("scroll");
    const h = height();
    const first = Math.max(0, Math.floor(box.scrollTop / h) - 8);
    const last = Math.min(shown.length, first + Math.ceil((box.clientHeight || 600) / h) + 18);
    const focused = document.activeElement?.closest?.("#body tr.row") !== null && at("body").contains(document.activeElement);
    const lines = [padding(first * h)];
    for (let place = first; place < last; place++) {
      const line = make("tr", { className: "row", tabIndex: place === active ? 0 : -1 });
      line.dataset.place = place;
      line.setAttribute("aria-rowindex", place + 2);
      for (const column of columns) line.append(cellOf(column, shown[place]));
      lines.push(line);
    }
    lines.push(padding((shown.length - last) * h));
    at("body").replaceChildren(...lines);
    at("table").setAttribute("aria-rowcount", shown.length + 1);
    if (focused) at("body").querySelector(`tr[data-place="${active}"]`)?.focus({ preventScroll: true });
  };
  let waiting = false;
  at("scroll").addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  });
  addEventListener("resize", () => draw());
  let typing = 0;
  at("search").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(filter, 120); });
  at("only").addEventListener("change", filter);

  const focusOn = (place) => {
    active = Math.max(0, Math.min(shown.length - 1, place));
    const [box, h, head] = [at("scroll"), height(), at("head").offsetHeight];
    if (active * h < box.scrollTop) box.scrollTop = active * h;
    if ((active + 1) * h + head > box.scrollTop + box.clientHeight) box.scrollTop = (active + 1) * h + head - box.clientHeight;
    draw();
    at("body").querySelector(`tr[data-place="${active}"]`)?.focus({ preventScroll: true });
  };
  const page = () => Math.max(1, Math.floor(at("scroll").clientHeight / height()) - 2);
  at("body").addEventListener("keydown", (event) => {
    const moves = {
      ArrowDown: active + 1, ArrowUp: active - 1, Home: 0, End: shown.length - 1, PageDown: active + page(), PageUp: active - page(),
    };
    if (event.key in moves) { event.preventDefault(); focusOn(moves[event.key]); }
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(active); }
  });
  at("body").addEventListener("click", (event) => {
    const line = event.target.closest("tr.row");
    if (line) { active = Number(line.dataset.place); open(active); }
  });

  // ---- one row ------------------------------------------------------------------------------------------------------
  const badge = (text, kind) => make("span", { className: `badge ${kind}`, textContent: text });

  const tokensOf = (item) => {
    const cut = pieces(item);
    const box = make("div", { className: "tokens", dir: "auto" });
    if (cut === null) {
      box.append(make("span", { dir: "auto", textContent: visible(item[TEXT]) }));
      return box;
    }
    const parted = item[PARTS] === null ? -1 : cut.offset + item[PARTS];
    const add = (from) => {
      for (const piece of cut.found.slice(from, from + AT_ONCE)) {
        const span = make("span", { className: `token s${shade(piece.bits)}`, textContent: spelled(piece.text), tabIndex: -1 });
        span.piece = piece;
        span.dataset.bits = String(piece.bits);
        if (piece.first <= parted && parted < piece.last) span.classList.add("part");
        box.append(span);
      }
      const left = cut.found.length - from - AT_ONCE;
      if (left <= 0) return;
      const more = make("button", { type: "button", textContent: `${left.toLocaleString("en")} more tokens: show the next` });
      more.addEventListener("click", () => { more.remove(); add(from + AT_ONCE); });
      box.append(more);
    };
    add(0);
    if (box.firstChild) box.firstChild.tabIndex = 0;
    return box;
  };

  const sums = (item) => {
    const perplexity = item[SCORED] ? Math.exp(-Number(item[TOTAL]) / item[SCORED]) : null;
    const said = item[NOTE] ? `, ${item[NOTE]}` : "";
    const line = make("p", { className: "note sums" });
    const tokens = `${item[SCORED].toLocaleString("en")} token${item[SCORED] === 1 ? "" : "s"}`;
    line.textContent = `log-likelihood ${number(item[TOTAL])} nats, ${tokens}, perplexity ${number(perplexity)}${said}`;
    line.dataset.total = String(item[TOTAL]);
    return line;
  };

  const alternative = (item, many) => {
    const box = make("div", { className: "alternative" });
    if (many) {
      const title = make("h3", { textContent: item[LABEL] });
      if (item[RIGHT]) {
        box.classList.add("gold");
        title.append(badge("right answer", "yes"));
      }
      if (item[CHOSEN]) title.append(badge("most probable", ""));
      box.append(title);
    }
    box.append(tokensOf(item), sums(item));
    return box;
  };

  const side = (alternatives) => {
    const box = make("div", {});
    const contexts = new Set(alternatives.map((item) => item[CONTEXT]));
    const contextOf = (item) => {
      const cut = pieces(item);
      return cut === null ? data.contexts[item[CONTEXT]] : cut.before;
    };
    const common = contexts.size === 1 && alternatives.length ? contextOf(alternatives[0]) : "";
    if (common) box.append(make("div", { className: "context", dir: "auto", textContent: visible(common), tabIndex: 0 }));
    const beside = make("div", { className: "beside" });
    alternatives.forEach((item) => {
      const one = alternative(item, alternatives.length > 1);
      if (contexts.size > 1) {
        one.insertBefore(make("div", { className: "context", dir: "auto", textContent: visible(contextOf(item)) }), one.querySelector(".tokens"));
      }
      beside.append(one);
    });
    box.append(beside);
    if (alternatives.some((item) => item[TOKENS] === null && item[SCORED] > 0)) {
      box.append(make("p", { className: "note", textContent: "The tokens of this row were not kept, or their text is not known; eval --keep tokens keeps them." }));
    }
    return box;
  };

  const open = (place) => {
    if (!shown.length) return;
    active = Math.max(0, Math.min(shown.length - 1, place));
    const row = data.rows[shown[active]];
    at("item-title").replaceChildren("Row ", make("bdi", { textContent: visible(row[ID]) }), ...(row[GROUP] === null ? [] : [" · ", make("bdi", { textContent: visible(row[GROUP]) })]));
    const body = at("item-body");
    body.replaceChildren();
    if (row[ERROR] !== null) body.append(make("p", { className: "error", dir: "auto", textContent: visible(row[ERROR]) }));
    const runs = two ? [["a", row[ITEMS]], ["b", row[OTHERS]]] : [["", row[ITEMS]]];
    for (const [name, items] of runs) {
      if (name) body.append(make("h3", { textContent: `Run ${name}: ${data.runs[name === "a" ? 0 : 1]}`, dir: "auto" }));
      if (items.length) body.append(side(items));
      else if (name) body.append(make("p", { className: "note", textContent: "not scored in this run" }));
    }
    at("before").disabled = active === 0;
    at("behind").disabled = active === shown.length - 1;
    hide();
    if (!at("item").open) at("item").showModal();
    at("item").scrollTop = 0;
  };
  at("close").addEventListener("click", () => at("item").close());
  at("before").addEventListener("click", () => open(active - 1));
  at("behind").addEventListener("click", () => open(active + 1));
  at("item").addEventListener("close", () => { hide(); focusOn(active); });
  at("item").addEventListener("click", (event) => { if (event.target === at("item")) at("item").close(); });

  // ---- what a token says --------------------------------------------------------------------------------------------
  const tip = at("tip");
  at("item").append(tip); // a modal dialog lies above everything that is not in it
  const hide = () => { tip.hidden = true; };
  const line = (name, value) => make("div", {}, make("span", { textContent: name }), make("span", { textContent: value }));
  const tell = (span) => {
    const { piece } = span;
    const [ids, logprobs, ranks, entropies] = ["ids", "logprobs", "ranks", "entropies"].map(array);
    tip.replaceChildren(make("b", { textContent: visible(JSON.stringify(piece.text)), dir: "auto" }));
    for (let t = piece.first; t < piece.last; t++) {
      const nats = logprobs[t];
      const first = line("token id", String(ids[t]));
      if (t > piece.first) first.className = "next";
      tip.append(first, line("p", probability(Math.exp(nats))));
      tip.append(line("surprisal", `${number(-nats / Math.LN2 + 0)} bits`), line("log p", `${number(nats)} nats`));
      if (ranks !== null && ranks[t]) tip.append(line("rank", ranks[t].toLocaleString("en")));
      if (entropies !== null && !Number.isNaN(entropies[t])) tip.append(line("entropy", `${number(entropies[t])} nats`));
    }
    if (ranks === null) tip.append(line("rank, entropy", "with eval --keep all"));
    tip.hidden = false;
    const [box, own] = [span.getClientRects()[0], tip.getBoundingClientRect()];
    tip.style.left = `${Math.max(4, Math.min(innerWidth - own.width - 4, box.left))}px`;
    tip.style.top = `${box.bottom + own.height + 8 > innerHeight ? Math.max(4, box.top - own.height - 6) : box.bottom + 6}px`;
  };
  const token = (event) => event.target.closest?.(".tokens .token");
  at("item-body").addEventListener("mouseover", (event) => { const span = token(event); if (span) tell(span); else hide(); });
  at("item-body").addEventListener("mouseleave", hide);
  at("item-body").addEventListener("focusin", (event) => { const span = token(event); if (span) tell(span); });
  at("item-body").addEventListener("focusout", hide);
  at("item-body").addEventListener("click", (event) => { const span = token(event); if (span) span.focus(); });
  at("item").addEventListener("scroll", hide);
  at("item").addEventListener("keydown", (event) => {
    const span = token(event);
    if (!span) {
      if (event.key === "ArrowLeft" && active > 0) open(active - 1);
      if (event.key === "ArrowRight" && active < shown.length - 1) open(active + 1);
      return;
    }
    const rightToLeft = getComputedStyle(span.parentElement).direction === "rtl";
    const step = { ArrowRight: rightToLeft ? -1 : 1, ArrowLeft: rightToLeft ? 1 : -1 }[event.key];
    const all = [...span.parentElement.querySelectorAll(".token")];
    const next = event.key === "Home" ? all[0] : event.key === "End" ? all.at(-1) : step ? all[all.indexOf(span) + step] : null;
    if (step || next) event.preventDefault();
    if (next) { span.tabIndex = -1; next.tabIndex = 0; next.focus(); }
  });

  // ---- light and dark -----------------------------------------------------------------------------------------------
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = "system";
  const paint = () => {
    document.documentElement.dataset.theme = chosen === "system" ? (system.matches ? "dark" : "light") : chosen;
    at("theme").textContent = `Colours: ${chosen}`;
  };
  system.addEventListener("change", paint);
  at("theme").addEventListener("click", () => {
    chosen = { system: "light", light: "dark", dark: "system" }[chosen];
    paint();
  });

  paint();
  filter();
  document.documentElement.dataset.ready = "yes";
})();
