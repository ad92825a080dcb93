// Who is in a topic: `presence_state` once after each join, then every change as `presence_diff`.

export class Presence {
  /** Key to metas; null as long as no state has come. */
  people = null;
  #early = [];

  /** The topic is joined anew: what is known is told again. */
  reset() {
    this.people = null;
    this.#early = [];
  }

  /** Takes a frame; whether it was about presence. */
  take(event, payload) {
    if (event === "presence_state") {
      this.people = new Map(Object.entries(payload).map(([key, { metas }]) => [key, metas]));
      for (const diff of this.#early.splice(0)) this.#apply(diff);
      return true;
    }
    if (event !== "presence_diff") return false;
    if (this.people) this.#apply(payload);
    else this.#early.push(payload);
    return true;
  }

  #apply({ joins, leaves }) {
    const without = (metas, gone) => {
      const refs = new Set(gone.map(({ phx_ref }) => phx_ref));
      return metas.filter(({ phx_ref }) => !refs.has(phx_ref));
    };
    for (const [key, { metas }] of Object.entries(joins)) {
      this.people.set(key, [...without(this.people.get(key) ?? [], metas), ...metas]);
    }
    for (const [key, { metas }] of Object.entries(leaves)) {
      const left = without(this.people.get(key) ?? [], metas);
      if (left.length > 0) this.people.set(key, left);
      else this.people.delete(key);
    }
  }
}
