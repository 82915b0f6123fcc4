import type { OnReady, Stream } from "../../contract/stream.ts";

/** Reads and writes of a connection that is another stream, but for its facts and its end. */
export abstract class ForwardedStream<S extends Stream = Stream> {
  protected readonly inner: S;

  constructor(inner: S) {
    this.inner = inner;
  }

  readNow(into: Uint8Array): number | null | undefined {
    return this.inner.readNow(into);
  }

  onReadable(run: OnReady): void {
    this.inner.onReadable(run);
  }

  writeNow(bytes: Uint8Array, isLast?: boolean): number {
    return this.inner.writeNow(bytes, isLast);
  }

  onWritable(run: OnReady): void {
    this.inner.onWritable(run);
  }
}
