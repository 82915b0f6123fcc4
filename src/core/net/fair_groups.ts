/** Node of a list: a Set would have to step over what was deleted at its front. */
interface Node<N> {
  previous: N | null;
  next: N | null;
}

class List<N extends Node<N>> {
  first: N | null = null;
  #last: N | null = null;

  append(node: N): void {
    node.previous = this.#last;
    node.next = null;
    if (this.#last === null) this.first = node;
    else this.#last.next = node;
    this.#last = node;
  }

  remove(node: N): void {
    if (node.previous === null) this.first = node.next;
    else node.previous.next = node.next;
    if (node.next === null) this.#last = node.previous;
    else node.next.previous = node.previous;
    // An old node that still named the next one would keep all later ones until a full collection.
    node.previous = node.next = null;
  }
}

class Group<T> implements Node<Group<T>> {
  readonly name: string;
  readonly members = new List<Member<T>>();
  size = 0;
  previous: Group<T> | null = null;
  next: Group<T> | null = null;

  constructor(name: string) {
    this.name = name;
  }
}

export class Member<T> implements Node<Member<T>> {
  readonly item: T;
  readonly group: Group<T>;
  isIn = true;
  previous: Member<T> | null = null;
  next: Member<T> | null = null;

  constructor(item: T, group: Group<T>) {
    this.item = item;
    this.group = group;
  }
}

/**
 * Holds items by group, in order of arrival. The oldest of the largest group goes first: many push
 * out their own, not those of a small group. Every call takes constant time.
 */
export class FairGroups<T> {
  readonly #groups = new Map<string, Group<T>>();
  /** Groups by count of members; the one that got there first comes first. */
  readonly #bySize: List<Group<T>>[] = [new List()];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  sizeOf(group: string): number {
    return this.#groups.get(group)?.size ?? 0;
  }

  add(name: string, item: T): Member<T> {
    let group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, group = new Group(name));
    const member = new Member(item, group);
    group.members.append(member);
    this.#resize(group, group.size + 1);
    this.#size++;
    return member;
  }

  /** Removes the item; false = it has been removed already. */
  delete(member: Member<T>): boolean {
    if (!member.isIn) return false;
    member.isIn = false;
    const { group } = member;
    group.members.remove(member);
    this.#resize(group, group.size - 1);
    if (group.size === 0) this.#groups.delete(group.name);
    this.#size--;
    return true;
  }

  #resize(group: Group<T>, size: number): void {
    if (group.size > 0) this.#bySize[group.size]!.remove(group);
    group.size = size;
    if (size > 0) {
      if (this.#bySize.length === size) this.#bySize.push(new List());
      this.#bySize[size]!.append(group);
    }
    while (this.#bySize.length > 1 && this.#bySize.at(-1)!.first === null) this.#bySize.pop();
  }

  oldestOf(group: string): Member<T> | null {
    return this.#groups.get(group)?.members.first ?? null;
  }

  oldestOfLargest(): Member<T> | null {
    return this.#bySize.at(-1)!.first?.members.first ?? null;
  }
}
