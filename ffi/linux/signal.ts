/** Constants of signal.h and sys/wait.h, alike on all machines. */

export const SIGKILL = 9;
export const SIGTERM = 15;
/** Stops a process, which cannot catch it. */
export const SIGSTOP = 19;

/** For waitpid(2): returns at once. */
export const WNOHANG = 1;
