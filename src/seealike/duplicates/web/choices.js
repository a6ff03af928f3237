// What is kept of groups of duplicates: choices with undo, a memory in the browser, the file they are saved as.
// The page that a command writes has it, and so has the page of the service.

const nameOf = (members) => JSON.stringify(members.map((one) => [one.id, one.sha256]).sort());

function split(members, isKept) {
  const said = { keep: [], drop: [] };
  members.forEach(({ id, sha256 }, place) => said[isKept(id, place) ? "keep" : "drop"].push({ id, sha256 }));
  return said;
}

export class Choices {
  static #held = {}; // where a browser lets a page remember nothing
  groups = [];
  remembers = true;
  #undone = [];
  #memory;
  #file;

  /** `memory`: its name. `before`: what earlier files said; `format` and `version` are those of the file. */
  constructor(memory, { format, version, before = [] }) {
    this.#memory = memory;
    this.#file = { format, version, before };
  }

  /** Further groups, each with `members`, the places of those `kept` by the rule, and whether it is `decided`. */
  add(found) {
    const known = this.#recall();
    for (const { members, kept: rule, decided } of found) {
      const group = { members, rule, name: nameOf(members), kept: new Set(rule), decided };
      const kept = Array.isArray(known[group.name]) ? known[group.name] : [];
      const places = [...members.keys()].filter((place) => kept.includes(members[place].id));
      if (places.length) Object.assign(group, { kept: new Set(places), decided: true });
      this.groups.push(group);
    }
  }

  #recall() {
    let text;
    try {
      text = localStorage.getItem(this.#memory);
    } catch {
      this.remembers = false;
      text = Choices.#held[this.#memory];
    }
    try {
      return JSON.parse(text) ?? {};
    } catch {
      return {};
    }
  }

  #remember(numbers) {
    const known = this.#recall();
    for (const number of numbers) {
      const { name, decided, kept, members } = this.groups[number];
      delete known[name];
      if (decided) known[name] = [...kept].map((place) => members[place].id);
    }
    const text = JSON.stringify(known);
    try {
      localStorage.setItem(this.#memory, text);
    } catch {
      this.remembers = false;
      Choices.#held[this.#memory] = text;
    }
  }

  /** Change some groups at once; one undo takes it back. */
  change(numbers, how) {
    this.#undone.push(numbers.map((number) => ({ ...this.groups[number], number, kept: new Set(this.groups[number].kept) })));
    for (const number of numbers) how(this.groups[number]);
    this.#remember(numbers);
    return numbers;
  }

  get undoable() {
    return this.#undone.length > 0;
  }

  /** Take the last change back: the numbers of its groups. */
  undo() {
    const last = this.#undone.pop() ?? [];
    for (const { number, kept, decided } of last) Object.assign(this.groups[number], { kept, decided });
    const numbers = last.map((one) => one.number);
    this.#remember(numbers);
    return numbers;
  }

  /** Keep a picture, or do not: false for the last one that is kept. */
  toggle(number, place) {
    const { kept } = this.groups[number];
    if (kept.has(place) && kept.size === 1) return false;
    this.change([number], (group) => {
      if (!group.kept.delete(place)) group.kept.add(place);
      group.decided = true;
    });
    return true;
  }

  keepOnly(number, place) {
    this.change([number], (group) => Object.assign(group, { kept: new Set([place]), decided: true }));
  }

  keepAll(number) {
    this.change([number], (group) => Object.assign(group, { kept: new Set(group.members.keys()), decided: true }));
  }

  asRule(number) {
    this.change([number], (group) => Object.assign(group, { kept: new Set(group.rule), decided: false }));
  }

  /** What is chosen is meant so. */
  accept(numbers) {
    this.change(numbers, (group) => { group.decided = true; });
  }

  undecided() {
    return [...this.groups.keys()].filter((number) => !this.groups[number].decided);
  }

  going() {
    return this.groups.reduce((sum, group) => sum + group.members.length - group.kept.size, 0);
  }

  /** All that was decided here, now or earlier, as the command reads it; of the same pictures only what was last. */
  decisions() {
    const { before, ...head } = this.#file;
    const all = new Map();
    const put = (name, said) => {
      all.delete(name);
      all.set(name, said);
    };
    for (const said of before) put(nameOf([...said.keep, ...said.drop]), said);
    for (const [name, kept] of Object.entries(this.#recall())) {
      put(name, split(JSON.parse(name).map(([id, sha256]) => ({ id, sha256 })), (id) => kept.includes(id)));
    }
    for (const { name, decided, members, kept } of this.groups) {
      if (decided && !all.has(name)) put(name, split(members, (_, place) => kept.has(place)));
    }
    return JSON.stringify({ ...head, decisions: [...all.values()] }, null, 1);
  }
}
