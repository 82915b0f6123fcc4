/** Seconds of use of a key, at most. */
export const LONGEST_REKEY = 3600;

/** Seconds that a session without a connection is kept. */
export const DEFAULT_KEEP = 60;

/** Seconds of silence after which a flow of datagrams ends. */
export const DEFAULT_UDP_IDLE = 60;

export const KEEP_OPTION = {
  names: ["keep-session"],
  group: "tuning",
  kind: "integer",
  metavar: "SECONDS",
  min: 1,
  max: 86_400,
  defaultText: String(DEFAULT_KEEP),
  help: "keep forwarded connections for so long while the two ends have no connection",
} as const;

export const UDP_IDLE_OPTION = {
  names: ["udp-idle"],
  group: "tuning",
  kind: "integer",
  metavar: "SECONDS",
  min: 1,
  max: 86_400,
  defaultText: String(DEFAULT_UDP_IDLE),
  help: "forget who has sent datagrams to a forward after so much silence",
} as const;
