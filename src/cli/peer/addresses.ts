import { TtunError } from "../../base/errors.ts";

/** Says why two ends with these public addresses cannot connect; null = they can. */
export function addressesRefusal(myIp: string, peerIp: string): TtunError | null {
  if (myIp === peerIp) {
    const words =
      "Cannot connect: both ends have the same address; the two public addresses differ, " +
      "or the machines are in one network, where -myip and -peerip are their addresses in it";
    return new TtunError("usage", words);
  }
  if (myIp.includes(":") === peerIp.includes(":")) return null;
  const words = "Cannot connect: one address is IPv4 and the other IPv6; give both of one kind";
  return new TtunError("usage", words);
}

/** The connection came back to this machine. */
export function isOwnAddress(peerIp: string): TtunError {
  const words = `Cannot connect: -peerip ${peerIp} is an address of this machine itself; ` +
    "is it exchanged with -myip?";
  return new TtunError("usage", words);
}

/** This end makes the certificate anew in each run: nobody can know its digest before. */
export function nothingToPin(): TtunError {
  const words = "Cannot use --fingerprint here: this end has the lesser address and makes the " +
    "certificate itself; give what it logs to the other end, and --fingerprint there";
  return new TtunError("usage", words);
}
