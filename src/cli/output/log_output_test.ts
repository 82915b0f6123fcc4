import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../base/bytes.ts";
import { LogOutput } from "./log_output.ts";

/** Standard error whose reader is the test: it lets writes through, or has them fail. */
class Reader {
  /** Each write that was taken. */
  readonly writes: string[] = [];
  reads = true;
  /** How much one write takes. */
  step = Infinity;
  error: Error | null = null;
  #waiting: (() => void) | null = null;

  readonly write = async (bytes: Uint8Array): Promise<number> => {
    assert.equal(this.#waiting, null, "two writes at once");
    if (!this.reads) await new Promise<void>((resolve) => this.#waiting = resolve);
    if (this.error !== null) throw this.error;
    const taken = bytes.subarray(0, this.step);
    this.writes.push(new TextDecoder().decode(taken));
    return taken.length;
  };

  /** From now on everything is read. */
  resume(): void {
    this.reads = true;
    this.#waiting?.();
    this.#waiting = null;
  }

  get text(): string {
    return this.writes.join("");
  }
}

function world(o?: { stallMs: number }) {
  const reader = new Reader();
  const output = new LogOutput(reader, o);
  output.describeLost = (count) => `lost ${count}\n`;
  return { reader, output, say: (text: string) => output.write(utf8(text)) };
}

/** Lets what is ready go on. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

const line = (i: number) => `${`${i}`.padStart(6, "0")} ${"x".repeat(92)}\n`; // 100 bytes
const FITS = 655; // lines in 64 KiB

Deno.test("nothing waits for a reader: what is too much is dropped and counted in its place", async () => {
  const { reader, output, say } = world();
  reader.reads = false;
  say("first\n"); // under way, and stuck
  for (let i = 0; i < 1000; i++) say(line(i));
  await output.flush(1);
  assert.equal(reader.text, "");
  reader.resume();
  await output.flush(1000);
  const wanted = Array.from({ length: FITS }, (_, i) => line(i));
  assert.equal(reader.text, `first\n${wanted.join("")}lost ${1000 - FITS}\n`);
  say("again\n");
  await output.flush(1000);
  assert.match(reader.text, /lost 345\nagain\n$/);
});

Deno.test("what comes after the loss stands behind its count", async () => {
  const { reader, output, say } = world();
  reader.reads = false;
  say("first\n");
  for (let i = 0; i < FITS + 5; i++) say(line(i));
  reader.resume();
  await output.flush(1000);
  say("later\n");
  await output.flush(1000);
  assert.match(reader.text, /x\nlost 5\nlater\n$/);
});

Deno.test("writes are of whole lines and no longer than a pipe takes at once", async () => {
  const { reader, output, say } = world();
  reader.reads = false;
  say("first\n");
  for (let i = 0; i < 100; i++) say(line(i));
  say(`${"y".repeat(5000)}\n`);
  reader.resume();
  await output.flush(1000);
  assert.equal(reader.writes.length, 5);
  assert.ok(reader.writes.every((text) => text.endsWith("\n")));
  assert.ok(reader.writes.slice(0, -1).every((text) => text.length <= 4096));
});

Deno.test("lines that cannot be written are counted, and told with the next that can", async () => {
  const { reader, output, say } = world();
  reader.error = new Deno.errors.BrokenPipe("Broken pipe");
  for (let i = 0; i < 5; i++) {
    say("a\nb\n");
    await output.flush(1000);
  }
  assert.equal(reader.text, "");
  reader.error = null;
  await output.flush(1000); // by itself it does not try again
  assert.equal(reader.text, "");
  say("back\n");
  await output.flush(1000);
  assert.equal(reader.text, "lost 10\nback\n");
});

Deno.test("a line that was torn is ended before the next", async () => {
  const { reader, output, say } = world();
  reader.step = 3;
  say("broken\n");
  await Promise.resolve();
  reader.error = new Error("the disk is full");
  await output.flush(1000);
  reader.error = null;
  reader.step = Infinity;
  say("whole\n");
  await output.flush(1000);
  assert.match(reader.text, /^bro(ken)?\nlost 1\nwhole\n$/);
});

Deno.test("a descriptor that does not block is tried again, and nothing is lost", async () => {
  const { reader, output, say } = world();
  reader.error = new Deno.errors.WouldBlock("Resource temporarily unavailable");
  say("patience\n");
  await output.flush(60);
  reader.error = null;
  await output.flush(1000);
  assert.equal(reader.text, "patience\n");
});

Deno.test("the end waits for a reader that is slow, and for none that is not there", async () => {
  const { reader, output, say } = world({ stallMs: 50 });
  reader.reads = false;
  say("last\n");
  setTimeout(() => reader.resume(), 10);
  await output.flush(10_000);
  assert.equal(reader.text, "last\n");
  reader.reads = false;
  say("lost\n");
  await output.flush(60);
  await output.flush(1e9); // comes to an end, since nobody reads
  reader.resume();
  await turn();
});

Deno.test("text of a program is written as fast as it is read, and dropped when it is not", async () => {
  const { reader, output } = world({ stallMs: 20 });
  const text = Array.from({ length: 3000 }, (_, i) => line(i)).join("");
  await output.writeSlowly(utf8(text));
  await output.flush(1000);
  assert.equal(reader.text, text);
  reader.reads = false;
  await output.writeSlowly(utf8(text)); // comes to an end
  reader.resume();
  await turn(); // the write that was stuck ends
  await output.flush(1000);
  assert.match(reader.text, /lost \d+\n$/);
});

Deno.test("however it is read, every line is there once, or in a count", async () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ lines: fc.integer({ min: 1, max: 400 }) }),
      fc.record({ reads: fc.boolean() }),
      fc.record({ step: fc.integer({ min: 30, max: 5000 }) }),
      fc.record({ fails: fc.boolean() }),
    ),
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const { reader, output, say } = world();
      let said = 0;
      for (const step of all) {
        if ("lines" in step) { for (let i = 0; i < step.lines; i++) say(line(said++)); }
        else if ("step" in step) reader.step = step.step;
        else if ("fails" in step) reader.error = step.fails ? new Error("no") : null;
        else if (step.reads) reader.resume();
        else reader.reads = false;
        await new Promise<void>((resolve) => queueMicrotask(resolve));
      }
      reader.error = null;
      reader.resume();
      await output.flush(1000);
      say("end\n");
      await output.flush(1000);
      const found = reader.text.split("\n");
      const whole = found.filter((text) => text.length === 99);
      const lost = found.map((text) => Number(/^lost (\d+)$/.exec(text)?.[1] ?? 0));
      const sum = whole.length + lost.reduce((a, b) => a + b, 0);
      // A write that failed behind its first lines has lost them for the count only.
      assert.ok(sum >= said, `${sum} of ${said}`);
      const numbers = whole.map((text) => Number(text.slice(0, 6)));
      assert.ok(numbers.every((n, i) => i === 0 || n > numbers[i - 1]!), "out of order");
      assert.equal(found.at(-2), "end");
    }),
    { numRuns: 100 },
  );
});

const ERASE = "\r\x1b[J";

Deno.test("a footer stays below the lines, and is erased when it goes", async () => {
  const { reader, output, say } = world();
  say("one\n");
  await output.flush(1000);
  output.setFooter("rates");
  await output.flush(1000);
  say("two\n");
  say("cut off");
  await output.flush(1000);
  output.setFooter("other rates");
  await output.flush(1000);
  output.setFooter(null);
  await output.flush(1000);
  say("three\n");
  await output.flush(1000);
  assert.deepEqual(reader.writes, [
    "one\n",
    `${ERASE}rates\r`,
    `${ERASE}two\nrates\r`,
    `${ERASE}cut off\nrates\r`,
    `${ERASE}other rates\r`,
    ERASE,
    "three\n",
  ]);
});

Deno.test("while nobody reads only the last footer is kept, and one that was never shown is none", async () => {
  const { reader, output, say } = world();
  output.setFooter(null);
  await turn();
  assert.deepEqual(reader.writes, []);
  reader.reads = false;
  say("one\n");
  for (let i = 0; i < 1000; i++) output.setFooter(`${i}`);
  reader.resume();
  await output.flush(1000);
  assert.deepEqual(reader.writes, ["one\n", `${ERASE}999\r`]);
});

Deno.test("a footer that cannot be written is tried again with the next one, and loses no line", async () => {
  const { reader, output, say } = world();
  reader.error = new Error("closed");
  output.setFooter("rates");
  await output.flush(1000);
  await turn();
  reader.error = null;
  say("one\n");
  await output.flush(1000);
  assert.equal(reader.text, `${ERASE}one\nrates\r`);
});
