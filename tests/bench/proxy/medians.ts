/** The figures of all rounds. */
import { median } from "../statistics.ts";
import type { ReadyContender } from "./contender.ts";
import type { Figures } from "./measure.ts";

export type FigureName = keyof Figures;

export class Medians {
  readonly contenders: readonly ReadyContender[];
  readonly #rounds = new Map<string, Figures[]>();

  /** In the order of the tables. */
  constructor(contenders: readonly ReadyContender[]) {
    this.contenders = contenders;
  }

  add(name: string, figures: Figures): void {
    this.#rounds.set(name, [...this.#rounds.get(name) ?? [], figures]);
  }

  /** Of the rounds that have the figure; NaN where none has. */
  of(name: string, figure: FigureName): number {
    const values = (this.#rounds.get(name) ?? []).map((figures) => figures[figure]);
    return median(values.filter((value) => !Number.isNaN(value)));
  }
}
