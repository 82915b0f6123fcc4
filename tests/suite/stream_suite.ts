import { abortCases } from "./abort_cases.ts";
import { ipCases } from "./ip_cases.ts";
import { streamCases } from "./stream_cases.ts";
import type { StreamCase, StreamNet, StreamTraits } from "./stream_net.ts";
import { transferCases } from "./transfer_cases.ts";
import { writeCases } from "./write_cases.ts";

/** All that a Dialer, Listener and Stream must keep to, whatever they are made of. */
export const CASES: readonly StreamCase[] = [
  ...streamCases,
  ...writeCases,
  ...transferCases,
  ...abortCases,
  ...ipCases,
];

const CASE_MS = 30_000;

/** How a test is made known: `test` of tests/check.ts, or Deno.test where there is no permission. */
type Register = (name: string, run: () => Promise<void>) => void;

/** The conformance suite over what `open` makes, one test a case. */
export function streamSuite(
  label: string,
  traits: StreamTraits,
  register: Register,
  open: () => StreamNet,
): void {
  eachCase(label, traits, register, async (one) => {
    await using net = open();
    await runCase(one, net);
  });
}

/** Registers the cases that are for such a transport; `run` runs one of them. */
export function eachCase(
  label: string,
  traits: StreamTraits,
  register: Register,
  run: (one: StreamCase) => Promise<void>,
): void {
  for (const one of CASES) {
    if (one.when?.(traits) ?? true) register(`${label}: ${one.name}`, () => run(one));
  }
}

/** Runs one case; a case that hangs fails. */
export async function runCase(one: StreamCase, net: StreamNet): Promise<void> {
  let over = false;
  const watch = async () => {
    for (let waited = 0; !over; waited += 10) {
      if (waited > CASE_MS) throw new Error(`Hangs: ${one.name}`);
      await net.pause(10);
    }
  };
  const running = one.run(net);
  running.catch(() => {}); // a case that hung fails once more when its transport is closed
  const watching = watch();
  try {
    await Promise.race([running, watching]);
  } finally {
    over = true;
    await watching.catch(() => {});
  }
}
