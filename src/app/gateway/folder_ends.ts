import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { SiteFile, SiteFolder } from "../../contract/site_folder.ts";
import type { ByteRange } from "../../core/gateway/folder/conditions.ts";
import { answerFromFolder } from "../../core/gateway/folder/site.ts";
import type { ClientStep, HttpClientMachine, HttpRequest } from "../../core/http/exchange.ts";
import type { ClientEnd, ExchangeRelay } from "./exchange_relay.ts";
import { LocalDriver } from "./local_driver.ts";
import type { TargetEnd, TargetEnds } from "./target_pool.ts";

/** Bytes of a file that are read at once, and that wait to be taken. */
const PIECE = 64 * 1024;
const WINDOW = 256 * 1024;

export interface FolderEndsOptions {
  readonly folder: SiteFolder;
  readonly isListed: boolean;
  readonly log: Logger;
}

/** Ends that answer from a folder of files, one for each exchange. */
export class FolderEnds implements TargetEnds {
  readonly #o: FolderEndsOptions;
  /** Shared by all: bytes are copied where they have to wait. */
  readonly #piece = new Uint8Array(PIECE);

  constructor(o: FolderEndsOptions) {
    this.#o = o;
  }

  take(): TargetEnd {
    return new FolderEnd(this.#o, this.#piece);
  }

  dial(): Promise<TargetEnd> {
    return Promise.resolve(this.take());
  }
}

class FolderEnd implements TargetEnd {
  readonly end: ClientEnd;
  readonly isNew = true;
  readonly #machine: FileMachine;
  #relay: ExchangeRelay | null = null;

  constructor(o: FolderEndsOptions, piece: Uint8Array) {
    this.#machine = new FileMachine(o, piece);
    const driver = new LocalDriver((step) => this.#relay?.fromClient(step), () => this.close());
    this.end = { machine: this.#machine, driver };
  }

  use(relay: ExchangeRelay): void {
    this.#relay = relay;
  }

  release(): void {
    this.close();
  }

  close(): void {
    this.#relay = null;
    this.#machine.close();
  }
}

/** Answers one request from a folder, at the pace at which the answer is taken. */
class FileMachine implements HttpClientMachine {
  readonly wantsInput = false;
  readonly waitsFor = "nothing";
  readonly #o: FolderEndsOptions;
  readonly #piece: Uint8Array;
  #file: { readonly file: SiteFile; at: number; readonly range: ByteRange } | null = null;
  #unconsumed = 0;
  #isFree = true;

  constructor(o: FolderEndsOptions, piece: Uint8Array) {
    this.#o = o;
    this.#piece = piece;
  }

  get isFree(): boolean {
    return this.#isFree;
  }

  feed(): ClientStep[] {
    return [];
  }

  inputEnded(): ClientStep[] {
    return [];
  }

  request(request: HttpRequest): ClientStep[] {
    this.#isFree = false;
    const { folder, isListed, log } = this.#o;
    try {
      const { head, body } = answerFromFolder(request, folder, isListed);
      const response: ClientStep = { kind: "response", head };
      if (body.kind === "file") {
        const { file, range } = body;
        this.#file = { file, range, at: range.from };
        return [response, ...this.#more()];
      }
      const { bytes } = body;
      const data: ClientStep[] = bytes.length === 0 ? [] : [{ kind: "data", bytes }];
      return [response, ...data, ...this.#ended()];
    } catch (thrown) {
      const { message } = toTtunError(thrown);
      log.debug("A file cannot be read", { why: message });
      return [{ kind: "reset", code: "unanswered", words: message }];
    }
  }

  data(): ClientStep[] {
    return [];
  }

  end(): ClientStep[] {
    return [];
  }

  reset(): ClientStep[] {
    this.close();
    return [];
  }

  room(): number {
    return Number.MAX_SAFE_INTEGER;
  }

  consumed(bytes: number): ClientStep[] {
    this.#unconsumed -= bytes;
    return this.#more();
  }

  close(): void {
    this.#file?.file[Symbol.dispose]();
    this.#file = null;
  }

  /** One piece at a time: another read would change the bytes of a step that is not done yet. */
  #more(): ClientStep[] {
    const open = this.#file;
    if (open === null || this.#unconsumed >= WINDOW) return [];
    const { file, range } = open;
    const want = Math.min(this.#piece.length, range.to - open.at + 1);
    let got: number;
    try {
      got = file.read(open.at, this.#piece.subarray(0, want));
    } catch (thrown) {
      return this.#broken(toTtunError(thrown).message);
    }
    if (got === 0) return this.#broken("The file has become shorter");
    open.at += got;
    this.#unconsumed += got;
    const data: ClientStep = { kind: "data", bytes: this.#piece.subarray(0, got) };
    return open.at > range.to ? [data, ...this.#ended()] : [data];
  }

  #ended(): ClientStep[] {
    this.close();
    this.#isFree = true;
    return [{ kind: "end", trailers: [] }];
  }

  #broken(words: string): ClientStep[] {
    this.close();
    return [{ kind: "reset", code: "incomplete", words }];
  }
}
