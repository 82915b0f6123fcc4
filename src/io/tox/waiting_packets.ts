type Packet = Uint8Array<ArrayBuffer>;

/** Returns false if the library takes none for the friend at the moment. */
type Give = (friend: number, packet: Packet) => boolean;

interface Queue {
  readonly packets: Packet[];
  taken: number;
}

/** Packets on their way to the library, in order for each friend. */
export class WaitingPackets {
  readonly #give: Give;
  /** Those with packets that wait, or that were taken and not told. */
  readonly #queues = new Map<number, Queue>();

  constructor(give: Give) {
    this.#give = give;
  }

  /** True if no packet waits. */
  get isEmpty(): boolean {
    for (const { packets } of this.#queues.values()) if (packets.length > 0) return false;
    return true;
  }

  /** Gives the packet, or copies it if it has to wait. */
  add(friend: number, packet: Packet): void {
    const queue = this.#queues.get(friend) ?? { packets: [], taken: 0 };
    this.#queues.set(friend, queue);
    if (queue.packets.length === 0 && this.#give(friend, packet)) queue.taken++;
    else queue.packets.push(packet.slice());
  }

  /** Gives what waits. */
  flush(): void {
    for (const [friend, { packets }] of this.#queues) {
      const full = packets.findIndex((packet) => !this.#give(friend, packet));
      const given = packets.splice(0, full < 0 ? packets.length : full);
      this.#queues.get(friend)!.taken += given.length;
    }
  }

  /** Forgets a friend. */
  drop(friend: number): void {
    this.#queues.delete(friend);
  }

  /** Tells how many packets of each friend were taken since the last call, and if more wait. */
  eachTaken(tell: (friend: number, count: number, isWaiting: boolean) => void): void {
    for (const [friend, queue] of this.#queues) {
      const isWaiting = queue.packets.length > 0;
      if (queue.taken > 0) tell(friend, queue.taken, isWaiting);
      queue.taken = 0;
      if (!isWaiting) this.#queues.delete(friend);
    }
  }
}
