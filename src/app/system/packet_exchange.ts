import type { DeviceEnd } from "../../contract/device.ts";
import type { Samples } from "../../core/ip/sample_packets.ts";
import type { WarmUpPace } from "../loop/warm_up_pace.ts";

/** Of so many rounds all but one are a ping and its answer. */
const PERIOD = 8;

/** One end and what it sends. */
export interface Endpoint {
  readonly end: DeviceEnd;
  readonly samples: Samples;
}

/** Sends packets there and back, one kind after the other, until its rounds or the pace are over. */
export class PacketExchange {
  readonly #client: Endpoint;
  readonly #server: Endpoint;
  readonly #pace: WarmUpPace;
  readonly #done = Promise.withResolvers<void>();
  #rounds: number;
  #burst: readonly Uint8Array[] = [];
  /** Packets that the server's end still waits for, then those of the client's end. */
  #missing = 0;

  constructor(client: Endpoint, server: Endpoint, rounds: number, pace: WarmUpPace) {
    this.#client = client;
    this.#server = server;
    this.#rounds = rounds;
    this.#pace = pace;
  }

  /** Resolves at the end, also at that of an end of a device. */
  run(): Promise<void> {
    this.#server.end.onReadable(this.#onServer);
    this.#client.end.onReadable(this.#onClient);
    this.#begin();
    return this.#done.promise;
  }

  readonly #begin = (): void => {
    if (this.#rounds-- <= 0 || this.#pace.isOver) return this.#done.resolve();
    this.#burst = burstOf(this.#rounds, this.#client.samples);
    this.#missing = this.#burst.length;
    for (const packet of this.#burst) if (!this.#client.end.send(packet)) this.#missing--;
    if (this.#missing === 0) this.#done.resolve();
  };

  readonly #onServer = (): boolean => {
    const { end, samples } = this.#server;
    if (end.closed) return this.#end();
    while (this.#missing > 0 && end.receive() > 0) this.#missing--;
    end.onReadable(this.#onServer);
    if (this.#missing > 0) return true;
    const answers = burstOf(this.#rounds, samples);
    this.#missing = -answers.length;
    for (const packet of answers) if (!end.send(packet)) this.#missing++;
    return this.#missing === 0 ? this.#end() : true;
  };

  readonly #onClient = (): boolean => {
    const { end } = this.#client;
    if (end.closed) return this.#end();
    while (this.#missing < 0 && end.receive() > 0) this.#missing++;
    end.onReadable(this.#onClient);
    if (this.#missing === 0) this.#pace.next(this.#begin);
    return !this.#pace.isOver && this.#rounds > 0;
  };

  /** A promise goes on, as the callback's result tells. */
  #end(): boolean {
    this.#done.resolve();
    return false;
  }
}

function burstOf(round: number, { ping, bursts }: Samples): readonly Uint8Array[] {
  return round % PERIOD === 0 ? bursts[round / PERIOD % bursts.length]! : [ping];
}
