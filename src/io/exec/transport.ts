import type { Transport } from "../transport.ts";
import { ExecDialer } from "./exec_dialer.ts";

/** `exec:COMMAND`: whatever a command's standard input and output lead to. */
export const EXEC_TRANSPORT: Transport = {
  dialer: (command, tools) => new ExecDialer(command, tools),
};
