/**
 * Methods that may be repeated where it is not known whether they were carried out (RFC 9110 section
 * 9.2.1).
 */
export const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
