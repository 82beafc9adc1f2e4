// Things of one kind that operators made: all of them, making and removing one, and taking that back.

export class Collection {
  items = []; // changed last first
  complete = true; // whether these are all
  #desk;
  #path;
  #field;

  /** `field` is where an answer of `path` has them. */
  constructor(desk, path, field) {
    this.#desk = desk;
    this.#path = path;
    this.#field = field;
  }

  async load() {
    Object.assign(this, await this.#desk.list(this.#path, this.#field));
  }

  /** Makes one, in the name of who works here. What it comes upon is there again after an undo. */
  async make(item, done) {
    const before = this.items;
    const { operator } = this.#desk;
    let made;
    const undo = async () => {
      const was = before.find(({ name }) => name === made.name);
      await this.#delete(made);
      if (was) await this.#create(was);
    };
    await this.#desk.change(done, async () => (made = await this.#create({ ...item, creator: operator })), undo);
  }

  /** Removes one; an undo makes it again. */
  remove(item, done) {
    const removed = this.#desk.change(done, () => this.#delete(item), () => this.#create(item));
    removed.catch((error) => this.#desk.failed(error));
  }

  #create({ createTime, name, ...item }) {
    return this.#desk.call("POST", this.#path, item);
  }

  #delete({ name }) {
    return this.#desk.call("DELETE", `./v1/${name}?${new URLSearchParams({ remover: this.#desk.operator })}`);
  }
}
