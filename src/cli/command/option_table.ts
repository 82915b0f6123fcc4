/** What an option is. A command's table of these drives parsing, types and help alike. */
export type Option =
  | StringOption
  | IntegerOption
  | BooleanOption
  | ListOption
  | ChoiceOption;

/** Headings under which help lists a command's options, in this order. */
export const OPTION_GROUPS = {
  basic: "Basic options",
  network: "Addresses and routes",
  security: "Security",
  tuning: "Tuning",
  logging: "Logging",
} as const;

export type OptionGroup = keyof typeof OPTION_GROUPS;

interface CommonOption {
  /** Without dashes; the long kebab-case name first, then short and Go spellings. */
  readonly names: readonly [string, ...string[]];
  /** One sentence or a few words; help adds the default and the choices. */
  readonly help: string;
  /** Its heading in help; basic where none is named. */
  readonly group?: OptionGroup;
  /** What help calls the default where it is no value of the table, or is decided elsewhere. */
  readonly defaultText?: string;
  readonly required?: true;
  /** It may stand without its name, right behind the command. */
  readonly positional?: true;
  /** The value must not stay visible: the caller hides it in the process's arguments. */
  readonly secret?: true;
  /** Keys of options that make no sense beside this one. */
  readonly conflicts?: readonly string[];
}

interface StringOption extends CommonOption {
  readonly kind: "string";
  readonly metavar: string;
  /** As `parse` would return it. */
  readonly default?: unknown;
  /** Text to value. @throws {TtunError} usage; its message is shown behind the option's name. */
  readonly parse?: (text: string) => unknown;
}

interface IntegerOption extends CommonOption {
  readonly kind: "integer";
  readonly metavar: string;
  /** Both ends are allowed values. */
  readonly min: number;
  readonly max: number;
  readonly default?: number;
}

interface BooleanOption extends CommonOption {
  readonly kind: "boolean";
  /** Without one the option has three states: undefined is "not said". */
  readonly default?: boolean;
}

interface ListOption extends CommonOption {
  readonly kind: "list";
  readonly metavar: string;
  readonly parse?: (text: string) => unknown;
}

interface ChoiceOption extends CommonOption {
  readonly kind: "choice";
  readonly metavar: string;
  readonly choices: readonly string[];
  readonly default?: string;
}

/** Options by the key under which their values are found. */
export type OptionTable = Readonly<Record<string, Option>>;

/**
 * Options by their names that another program has and this one does not: what to say to those who
 * give them.
 */
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

/** The values of a table's options: every key is there, undefined where nothing was given. */
export type Values<T extends OptionTable> = {
  readonly [K in keyof T]: IsAlwaysThere<T[K]> extends true ? ValueOf<T[K]>
    : ValueOf<T[K]> | undefined;
};
