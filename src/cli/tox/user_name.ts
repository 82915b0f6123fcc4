import { TtunError } from "../../base/errors.ts";
import { isGranted } from "../platform/permissions.ts";

const PASSWD = "/etc/passwd";

/** Returns the name of a user who is given by name, or by number as the program tuntox takes it. */
export function userName(given: string, passwd: () => string = readPasswd): string {
  if (!/^\d+$/.test(given)) return given;
  const name = nameIn(passwd(), given);
  if (name !== undefined) return name;
  throw new TtunError(
    "usage",
    `Cannot become user ${given}: ${PASSWD} has none of that number; give a name`,
  );
}

function nameIn(passwd: string, uid: string): string | undefined {
  const fields = passwd.split("\n").map((line) => line.split(":"));
  return fields.find(([name, , number]) => name !== "" && number === uid)?.[0];
}

function readPasswd(): string {
  if (!isGranted({ name: "read", path: PASSWD })) return "";
  try {
    return Deno.readTextFileSync(PASSWD);
  } catch {
    return ""; // no user has a number there
  }
}
