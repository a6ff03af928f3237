// Files that were left out: why, what each reason means, and what one can do.

import { hrefOf, state } from "./state.js";
import { ask, count, el, icon, number, say, stopped, waiting } from "./tools.js";
import { LongList, asCsv, copy, heading, save, styled } from "./views.js";

const PAGE = 500;
const ROWS = 50; // in one part of the list
// As docs/how-to/skipped-files.md says it: in words, what it means, what can be done.
const REASONS = {
  empty_file: ["Empty file", "The file has no bytes.", "Fetch it again."],
  not_an_image: ["Not a picture", "The content is no picture format; or it is no file but a folder, a named pipe, a device.", "Nothing, or index a pattern such as 'photos/**/*.jpg' that leaves it out."],
  unsupported_format: ["Unknown format", "A picture or video format that is not decoded, such as SVG, PDF, PSD or JPEG XL.", "Convert it."],
  missing_extra: ["Decoder not installed", "The decoder for this format is not installed.", "For HEIC pip install 'seealike[heic]'; the next run tries it again."],
  truncated: ["Cut off", "The file ends too early.", "Fetch it again."],
  corrupt: ["Broken", "The decoder found the content contradictory.", "Fetch or export it again."],
  too_many_pixels: ["Too many pixels", "More than 100 megapixels, or decoding would take more than 450 MB of memory.", "Make a smaller copy, or raise the limit: seealike index --limit megapixels=200."],
  file_too_large: ["File too large", "More than 200 MB.", "Make a smaller copy, or raise the limit: seealike index --limit file-mb=400."],
  zero_dimension: ["No width or height", "Width or height is 0.", "Export it again."],
  decoder_timeout: ["Took too long", "Decoding took more than 2 seconds of processor time for each 10 megapixels.", "Export it in another format, or raise the limit: seealike index --limit cpu-s=5."],
  stalled: ["Stood still", "Reading or decoding stood still for 60 seconds, twice: a disk or a share that hangs.", "Nothing: the next run tries it again."],
  decoder_crashed: ["Decoder crashed", "The decoder ended its process; only this picture is lost.", "Export it in another format, and report the file to us."],
  out_of_memory: ["Too much memory", "Decoding needed more memory than one picture may.", "Make a smaller copy; the next run tries it again."],
  unreadable: ["Could not be read", "The file system refused: permission, a failing disk, a missing file named by a table, a link to nothing; or a table row that names no picture.", "What is written with it says which; the next run tries it again."],
  changed_while_reading: ["Changed meanwhile", "The file changed while it was read.", "Nothing: the next run tries it again."],
  outside_root: ["Outside the folder", "A link or a table path leads out of the source's folder.", "Move the picture, or name a folder above both with --root."],
  outside_picture: ["Part outside the picture", "A part was asked for that reaches beyond the picture.", "Ask for a smaller part."],
  duplicate_id: ["Id used twice", "A table uses an id twice, two names look the same, or a folder is linked twice.", "Make ids unique; the first one is in the catalogue."],
  encoder_failed: ["Encoder failed", "The encoder refused this picture.", "The next run tries it again; report the file to us."],
  non_finite_vector: ["No usable result", "The encoder gave numbers that mean nothing.", "Report the file to us."],
};
/** A reason in words: what it is called, what it means, what can be done. */
export const meant = (reason) => REASONS[reason] ?? [reason.replaceAll("_", " "), "", ""];

const TECHNICAL = /^(?:[A-Z]\w*(?:Error|Exception|Warning|Iteration|Interrupt)|error): ?/; // as decoders written in Python say it

export async function open(place, app) {
  await styled();
  const view = new Skipped(place, app);
  view.start();
  return view;
}

class Skipped {
  constructor(place, app) {
    Object.assign(this, { place, app, counts: {}, total: 0 });
    this.list = el("ol", { class: "rows", "aria-label": "Files that were left out" });
    this.long = new LongList(this.list, { fill: (part, n) => this.#fill(part, n), px: ROWS * 58, more: () => this.load() });
    this.body = el("div", { class: "rows-side" });
  }

  get reason() {
    return state.own.reason ?? "";
  }

  update() {
    if (this.reasons && this.reason !== this.found) this.#reasoned();
  }

  close() {
    this.isClosed = true;
    this.aborter?.abort();
    this.long.clear();
  }

  async start() {
    const main = el("div");
    this.place.replaceChildren(heading("Skipped files", el("p", { class: "note", text: "No picture can stop a run: a file that cannot be used is left out, and the catalogue remembers why. It is looked at again when it changes." })), main);
    try {
      const stats = await this.app.refreshStats();
      this.counts = stats.skipped_by_reason;
      this.total = stats.skipped;
    } catch (problem) {
      main.replaceChildren(stopped(problem, () => this.start()));
      return;
    }
    if (this.isClosed) return;
    if (!this.total) {
      main.replaceChildren(el("div", { class: "empty" }, icon("check"), el("p", { class: "what", text: "Nothing was left out." }), el("p", { text: "Every file that was indexed is in the catalogue." })));
      return;
    }
    this.reasons = el("nav", { class: "reasons", "aria-label": "Reasons" });
    main.replaceChildren(el("div", { class: "with-side" }, this.reasons, this.body));
    await this.#reasoned();
  }

  async #reasoned() {
    this.aborter?.abort();
    this.aborter = new AbortController();
    this.long.clear();
    Object.assign(this, { found: this.reason, rows: [], next: "", loading: null });
    const [name, means, remedy] = this.reason ? meant(this.reason) : ["All of them"];
    const link = (reason, text, n) => el("a", { href: hrefOf({ own: { ...state.own, reason } }), "aria-current": reason === this.reason ? "true" : null }, el("span", { class: "name", text }), el("span", { class: "n", text: number(n) }));
    const back = this.reasons.contains(document.activeElement);
    this.reasons.replaceChildren(link("", "All of them", this.total),
      ...Object.entries(this.counts).filter(([, n]) => n).sort((one, other) => other[1] - one[1]).map(([reason, n]) => link(reason, meant(reason)[0], n)));
    if (back) this.reasons.querySelector("[aria-current]")?.focus();
    const button = (text, click) => el("button", { type: "button", class: "button quiet", text, on: { click } });
    const n = this.reason ? this.counts[this.reason] ?? 0 : this.total;
    this.note = el("div");
    this.body.replaceChildren(
      el("div", { class: "reason" },
        el("h2", {}, name, el("span", { class: "n", text: count(n, "file") })),
        means && el("p", { text: means }), remedy && el("p", {}, el("b", { text: "What you can do: " }), remedy),
        this.reason && el("p", { class: "note" }, "The command line calls it ", el("code", { text: this.reason }), "."),
        el("div", { class: "tools" }, button("Copy the names", () => this.#copy()), button("Save as a table", () => this.#save()))),
      this.list, this.note, this.long.mark);
    const done = waiting(this.note, () => el("div", { class: "skeleton" }, el("span"), el("span")));
    await this.load();
    done();
    if (!this.problem) this.note.replaceChildren();
  }

  load() {
    if (this.next === null) return null;
    const { reason, aborter } = this;
    this.problem = null;
    this.loading ??= ask("/skipped", { query: { reason, start: this.next, limit: PAGE }, signal: aborter.signal }).then((found) => {
      const before = Math.ceil(this.rows.length / ROWS);
      this.rows.push(...found.skipped);
      this.next = found.next;
      this.long.refill(before - 1);
      this.long.add(Math.ceil(this.rows.length / ROWS) - before, { class: "part" });
      if (this.next === null) this.long.end();
      else this.long.wantMore();
      if (!this.rows.length) this.list.replaceChildren(el("li", { class: "empty", text: "None any more: the catalogue has changed." }));
    }).catch((problem) => {
      if (aborter.signal.aborted) return;
      this.problem = problem;
      this.long.end();
      this.note.replaceChildren(stopped(problem, () => { this.note.replaceChildren(); this.load(); }));
    }).finally(() => { if (this.aborter === aborter) this.loading = null; });
    return this.loading;
  }

  async #all() {
    if (this.next !== null) say("Loading all of them …");
    const isWell = () => !this.problem && !this.aborter.signal.aborted;
    while (this.next !== null && isWell()) await this.load();
    return isWell();
  }

  #fill(part, n) {
    part.replaceChildren(el("ul", {}, ...this.rows.slice(n * ROWS, (n + 1) * ROWS).map((row) => el("li", { class: "file" },
      el("span", { class: "name", text: row.id }),
      ...this.#why(row)))));
  }

  #why({ reason, detail }) {
    const name = !this.reason && el("b", { text: meant(reason)[0] });
    if (!TECHNICAL.test(detail)) return [el("span", { class: "note" }, name, name && detail ? " · " : null, detail)];
    return [name && el("span", { class: "note" }, name), el("details", { class: "technical note" }, el("summary", { text: "Technical detail" }), el("code", { text: detail }))].filter(Boolean);
  }

  async #copy() {
    if (await this.#all()) copy(this.rows.map((row) => row.id).join("\n"), count(this.rows.length, "name"));
  }

  async #save() {
    if (await this.#all()) save("skipped.csv", asCsv([["id", "reason", "detail"], ...this.rows.map((row) => [row.id, row.reason, row.detail])]), "text/csv");
  }
}
