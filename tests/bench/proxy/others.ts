/** How much of the machine others took: whoever reads the figures must know. */

/** Ticks of user, nice, system, irq and softirq time, and of all the time there was. */
function machineTicks(): { busy: number; all: number } {
  const [line = ""] = Deno.readTextFileSync("/proc/stat").split("\n");
  const [user, nice, system, idle, wait, irq, softirq] = line.split(/\s+/).slice(1).map(Number);
  const busy = user! + nice! + system! + irq! + softirq!;
  return { busy, all: busy + idle! + wait! };
}

/** Ticks of our own, and of whatever of ours has ended: behind the name, fields 14 to 17. */
function ownTicks(): number {
  const fields = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\) /s, "").split(" ");
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
}

/**
 * Begins to look. The function tells the share (0 to 1) of the machine's time that others have
 * taken since; call it when all that was started meanwhile has ended.
 */
export function lookAtOthers(): () => number {
  const [machine, own] = [machineTicks(), ownTicks()];
  return () => {
    const now = machineTicks();
    const others = now.busy - machine.busy - (ownTicks() - own);
    return Math.max(0, others / (now.all - machine.all));
  };
}
