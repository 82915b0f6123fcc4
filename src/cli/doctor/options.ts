import type { OptionTable, Values } from "../command/option_table.ts";

export const DOCTOR_OPTIONS = {
  repair: {
    names: ["repair"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "take away what killed ttuns have left on this machine, a kill switch too (as root)",
  },
} as const satisfies OptionTable;

export type DoctorFlags = Values<typeof DOCTOR_OPTIONS>;
