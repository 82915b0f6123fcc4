/** The table of options drives parsing, types and help alike. */
export type Option =
  | StringOption
  | IntegerOption
  | BooleanOption
  | ListOption
  | ChoiceOption;

export const OPTION_GROUPS = {
  basic: "Basic options",
  network: "Addresses and routes",
  security: "Security",
  tuning: "Tuning",
  logging: "Logging",
} as const;

export type OptionGroup = keyof typeof OPTION_GROUPS;

interface CommonOption {
  /** Names without dashes: the long kebab-case name first, then short and Go spellings. */
  readonly names: readonly [string, ...string[]];
  /** A sentence or a few words; help adds the default and the choices. */
  readonly help: string;
  /** Heading in help; default: basic. */
  readonly group?: OptionGroup;
  /** Words for help, for a default that is not in the table or is decided elsewhere. */
  readonly defaultText?: string;
  readonly required?: true;
  /** May be given without its name, right behind the command. */
  readonly positional?: true;
  /** A secret value, which the caller hides in the process's arguments. */
  readonly secret?: true;
  /** Values for which it is a secret. */
  readonly isSecret?: (text: string) => boolean;
  /**
   * The name of its environment variable, which the command reads itself, as it is a secret's;
   * absent = TTUN_ and the option's name. Null = there is none: the option has a name in common with
   * another one that means something else.
   */
  readonly variable?: string | null;
  /** The value is run by a shell: a file that has it must be its owner's alone. */
  readonly runs?: true;
  /** It says which file there is, and cannot stand in one. */
  readonly notInFiles?: true;
  /** Keys of options that exclude this one. */
  readonly conflicts?: readonly string[];
}

interface StringOption extends CommonOption {
  readonly kind: "string";
  readonly metavar: string;
  readonly default?: unknown;
  /** @throws {TtunError} usage, whose message is shown behind the option's name */
  readonly parse?: (text: string) => unknown;
  /** Words that a value may begin with, which completions offer. */
  readonly beginnings?: readonly string[];
}

interface IntegerOption extends CommonOption {
  readonly kind: "integer";
  readonly metavar: string;
  readonly min: number;
  readonly max: number;
  readonly default?: number;
}

interface BooleanOption extends CommonOption {
  readonly kind: "boolean";
  /** An option without a default has three states; undefined = not given. */
  readonly default?: boolean;
  /** Advice for a user who gives it a value, as another option of that letter takes one. */
  readonly takesNone?: string;
}

interface ListOption extends CommonOption {
  readonly kind: "list";
  readonly metavar: string;
  /** Of a positional one: all that stands behind its first value belongs to it, options too. */
  readonly takesRest?: true;
  readonly default?: readonly unknown[];
  readonly parse?: (text: string) => unknown;
  readonly beginnings?: readonly string[];
}

interface ChoiceOption extends CommonOption {
  readonly kind: "choice";
  readonly metavar: string;
  readonly choices: readonly string[];
  readonly default?: string;
}

export type OptionTable = Readonly<Record<string, Option>>;

/** Advice for options of other programs, by their names. */
export type Refusals = Readonly<Record<string, string>>;

type Parsed<O> = O extends { readonly parse: (text: string) => infer T } ? T : string;

type ValueOf<O extends Option> = O extends { readonly kind: "integer" } ? number
  : O extends { readonly kind: "boolean" } ? boolean
  : O extends { readonly kind: "choice"; readonly choices: readonly (infer C)[] } ? C
  : O extends { readonly kind: "list" } ? readonly Parsed<O>[]
  : Parsed<O>;

type IsAlwaysThere<O> = O extends { readonly required: true } ? true
  : O extends { readonly default: NonNullable<unknown> } ? true
  : false;

/** Every key is present, undefined if not given. */
export type Values<T extends OptionTable> = {
  readonly [K in keyof T]: IsAlwaysThere<T[K]> extends true ? ValueOf<T[K]>
    : ValueOf<T[K]> | undefined;
};
