import assert from "node:assert/strict";
import { hasLiveLine } from "./live_wanted.ts";
import type { LogSettings } from "./log_writer.ts";

const SETTINGS: LogSettings = { level: "info", format: "text", isLive: true };
const TERMINAL = { isThere: true, type: "xterm-256color" };

Deno.test("a live line is for a terminal that people read the log on", () => {
  assert(hasLiveLine(SETTINGS, TERMINAL));
  assert(hasLiveLine({ ...SETTINGS, level: "debug" }, { isThere: true, type: undefined }));
  assert(!hasLiveLine(SETTINGS, { ...TERMINAL, isThere: false }));
  assert(!hasLiveLine(SETTINGS, { ...TERMINAL, type: "dumb" }));
});

Deno.test("settings that send the log elsewhere, or ask for quiet, leave it out", () => {
  const others: Partial<LogSettings>[] = [
    { isLive: false },
    { level: "warn" },
    { format: "json" },
    { file: "/tmp/log" },
    { toSystem: true },
    { goesToBackground: true },
  ];
  for (const other of others) assert(!hasLiveLine({ ...SETTINGS, ...other }, TERMINAL));
  assert(!hasLiveLine({ level: "info", format: "text" }, TERMINAL));
});
