//! Filters and tests beyond the template engine's own, by the names and with the meaning that they have in Ansible.
//!
//! Sources: the pages `ansible.builtin` and `ansible.utils.ipaddr` of Ansible's collection index. What differs:
//! regular expressions are the `regex` crate's (no look-around, no back-references inside a pattern), YAML is 1.2,
//! and what Ansible would quietly turn into text or into false is an error.

mod addresses;
mod args;
mod collections;
mod conditions;
mod encoding;
mod json;
mod markup;
mod numbers;
mod passwords;
mod paths;
mod printf;
mod regexes;
mod sizes;
mod text;
mod time;
mod versions;
mod yaml;

use args::Args;
use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};
pub(super) use printf::printf;

/// A filter or test: its parameters in the order in which they can be given without a name, and what it does.
struct Entry {
    name: &'static str,
    parameters: &'static [&'static str],
    /// Whether any number of values may follow the named parameters.
    more: bool,
    run: fn(&State, &Value, &Args) -> Result<Value, Error>,
}

const fn entry(
    name: &'static str,
    parameters: &'static [&'static str],
    run: fn(&State, &Value, &Args) -> Result<Value, Error>,
) -> Entry {
    Entry { name, parameters, more: false, run }
}

/// As [`entry`], with any number of values; what is in `parameters` is then given by name alone.
const fn variadic(
    name: &'static str,
    parameters: &'static [&'static str],
    run: fn(&State, &Value, &Args) -> Result<Value, Error>,
) -> Entry {
    Entry { name, parameters, more: true, run }
}

const REGEX: &[&str] = &["pattern", "multiline", "ignorecase"];
const REGEX_TEST: &[&str] = &["pattern", "ignorecase", "multiline"];

static FILTERS: &[Entry] = &[
    variadic("combine", &["recursive", "list_merge"], collections::combine),
    entry("dict2items", &["key_name", "value_name"], collections::dict2items),
    entry("items2dict", &["key_name", "value_name"], collections::items2dict),
    entry("flatten", &["levels", "skip_nulls"], collections::flatten),
    entry("union", &["other"], collections::union),
    entry("intersect", &["other"], collections::intersect),
    entry("difference", &["other"], collections::difference),
    entry("symmetric_difference", &["other"], collections::symmetric_difference),
    variadic("product", &["repeat"], collections::product),
    entry(
        "regex_replace",
        &["pattern", "replacement", "ignorecase", "multiline", "count", "mandatory_count"],
        regexes::replace,
    ),
    variadic("regex_search", &["ignorecase", "multiline"], regexes::search),
    entry("regex_findall", REGEX, regexes::findall),
    entry("regex_escape", &["re_type"], regexes::escape),
    entry("extract", &["container", "morekeys"], collections::extract),
    entry("subelements", &["subelements", "skip_missing"], collections::subelements),
    entry("human_to_bytes", &["default_unit", "isbits"], sizes::human_to_bytes),
    entry("human_readable", &["isbits", "unit"], sizes::human_readable),
    entry("sha1", &[], encoding::hash),
    entry("checksum", &[], encoding::hash),
    entry("md5", &[], encoding::md5),
    entry("to_uuid", &["namespace"], encoding::to_uuid),
    entry("password_hash", &["hashtype", "salt", "rounds"], passwords::password_hash),
    variadic("zip", &[], collections::zip),
    variadic("zip_longest", &["fillvalue"], collections::zip_longest),
    entry("permutations", &["length"], collections::permutations),
    entry("combinations", &["length"], collections::combinations),
    entry("rekey_on_member", &["key", "duplicates"], collections::rekey_on_member),
    entry("escape", &[], markup::escape),
    entry("e", &[], markup::escape),
    entry("striptags", &[], markup::striptags),
    entry("xmlattr", &["autospace"], markup::xmlattr),
    entry("urlencode", &[], markup::urlencode),
    entry("urldecode", &[], markup::urldecode),
    entry("urlsplit", &["query"], markup::urlsplit),
    entry("log", &["base"], numbers::log),
    entry("pow", &["exponent"], numbers::pow),
    entry("root", &["base"], numbers::root),
    entry("filesizeformat", &["binary"], numbers::filesizeformat),
    entry("random", &["start", "step", "seed"], numbers::random),
    entry("shuffle", &["seed"], numbers::shuffle),
    entry("strftime", &["second", "utc"], time::strftime),
    entry("wordwrap", &["width", "break_long_words", "wrapstring", "break_on_hyphens"], text::wordwrap),
    entry("pprint", &[], text::pprint),
    entry("type_debug", &[], text::type_debug),
    entry("path_join", &[], paths::path_join),
    entry("normpath", &[], paths::normpath),
    entry("relpath", &["start"], paths::relpath),
    entry("commonpath", &[], paths::commonpath),
    entry("win_basename", &[], paths::win_basename),
    entry("win_dirname", &[], paths::win_dirname),
    entry("win_splitdrive", &[], paths::win_splitdrive),
    entry("b64encode", &["encoding"], encoding::b64encode),
    entry("b64decode", &["encoding"], encoding::b64decode),
    entry("hash", &["hashtype"], encoding::hash),
    entry("to_json", &["indent", "sort_keys", "ensure_ascii"], json::to_json),
    entry("to_nice_json", &["indent", "sort_keys", "ensure_ascii"], json::to_nice_json),
    entry("tojson", &["indent"], json::tojson),
    entry("from_json", &[], json::from_json),
    entry(
        "to_yaml",
        &["indent", "sort_keys", "width", "default_flow_style", "explicit_start", "allow_unicode"],
        yaml::to_yaml,
    ),
    entry(
        "to_nice_yaml",
        &["indent", "sort_keys", "width", "default_flow_style", "explicit_start", "allow_unicode"],
        yaml::to_nice_yaml,
    ),
    entry("from_yaml", &[], yaml::from_yaml),
    entry("from_yaml_all", &[], yaml::from_yaml_all),
    entry("ternary", &["true_val", "false_val", "none_val"], text::ternary),
    entry("mandatory", &["msg"], text::mandatory),
    entry("bool", &[], text::bool),
    entry("quote", &[], text::quote),
    entry("indent", &["width", "first", "blank"], text::indent),
    entry("truncate", &["length", "killwords", "end", "leeway"], text::truncate),
    entry("wordcount", &[], text::wordcount),
    entry("center", &["width"], text::center),
    entry(
        "comment",
        &["style", "decoration", "beginning", "end", "prefix", "prefix_count", "postfix", "postfix_count", "newline"],
        text::comment,
    ),
    entry("basename", &[], paths::basename),
    entry("dirname", &[], paths::dirname),
    entry("splitext", &[], paths::splitext),
    entry("ipaddr", &["query"], addresses::ipaddr),
    entry("ipv4", &["query"], addresses::ipv4),
    entry("ipv6", &["query"], addresses::ipv6),
];

static TESTS: &[Entry] = &[
    entry("match", REGEX_TEST, conditions::matches),
    entry("search", REGEX_TEST, conditions::search),
    entry("regex", &["pattern", "ignorecase", "multiline", "match_type"], conditions::regex),
    entry("version", &["version", "operator", "strict", "version_type"], versions::version),
    entry("subset", &["other"], conditions::subset),
    entry("issubset", &["other"], conditions::subset),
    entry("superset", &["other"], conditions::superset),
    entry("issuperset", &["other"], conditions::superset),
    entry("contains", &["item"], conditions::contains),
    entry("any", &[], conditions::any),
    entry("all", &[], conditions::all),
    entry("truthy", &["convert_bool"], conditions::truthy),
    entry("falsy", &["convert_bool"], conditions::falsy),
    entry("nan", &[], numbers::is_nan),
    entry("url", &["schemes"], markup::is_url),
    entry("uri", &["schemes"], markup::is_url),
    entry("abs", &[], paths::is_abs),
];

/// The names of all filters, the engine's own too, for suggestions.
pub const NAMES: &[&str] = &[
    "abs",
    "attr",
    "b64decode",
    "b64encode",
    "basename",
    "batch",
    "bool",
    "capitalize",
    "center",
    "chain",
    "checksum",
    "combinations",
    "combine",
    "comment",
    "commonpath",
    "count",
    "d",
    "default",
    "dict2items",
    "dictsort",
    "difference",
    "dirname",
    "e",
    "escape",
    "extract",
    "filesizeformat",
    "first",
    "flatten",
    "float",
    "format",
    "from_json",
    "from_yaml",
    "from_yaml_all",
    "groupby",
    "hash",
    "human_readable",
    "human_to_bytes",
    "indent",
    "int",
    "intersect",
    "ipaddr",
    "ipv4",
    "ipv6",
    "items",
    "items2dict",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "log",
    "lower",
    "mandatory",
    "map",
    "max",
    "md5",
    "min",
    "normpath",
    "password_hash",
    "path_join",
    "permutations",
    "pow",
    "pprint",
    "product",
    "quote",
    "random",
    "regex_escape",
    "regex_findall",
    "regex_replace",
    "regex_search",
    "reject",
    "rejectattr",
    "rekey_on_member",
    "relpath",
    "replace",
    "reverse",
    "root",
    "round",
    "safe",
    "select",
    "selectattr",
    "sha1",
    "shuffle",
    "slice",
    "sort",
    "split",
    "splitext",
    "strftime",
    "string",
    "striptags",
    "subelements",
    "sum",
    "symmetric_difference",
    "ternary",
    "title",
    "to_json",
    "to_nice_json",
    "to_nice_yaml",
    "to_uuid",
    "to_yaml",
    "tojson",
    "trim",
    "truncate",
    "type_debug",
    "union",
    "unique",
    "upper",
    "urldecode",
    "urlencode",
    "urlsplit",
    "win_basename",
    "win_dirname",
    "win_splitdrive",
    "wordcount",
    "wordwrap",
    "xmlattr",
    "zip",
    "zip_longest",
];

/// Makes the filters and tests known to the engine.
pub fn add_to(env: &mut Environment<'static>) {
    for entry in FILTERS {
        for name in names(entry.name) {
            env.add_filter(name, |state: &State, value: &Value, given: Rest<ValueOrKwargs>| {
                call(entry, state, value, given)
            });
        }
    }
    env.add_filter("ansible.builtin.unique", minijinja::filters::unique);
    env.add_filter("ansible.builtin.min", minijinja::filters::min);
    env.add_filter("ansible.builtin.max", minijinja::filters::max);
    env.add_function("cycler", |all: Rest<Value>| minijinja_contrib::globals::cycler(all.to_vec()));
    env.add_function("joiner", minijinja_contrib::globals::joiner);
    for entry in TESTS {
        for name in names(entry.name) {
            env.add_test(name, |state: &State, value: &Value, given: Rest<ValueOrKwargs>| {
                call(entry, state, value, given)
            });
        }
    }
}

/// The names of one: its own, and those with the collections of Ansible that have it.
fn names(name: &'static str) -> impl Iterator<Item = String> {
    let collections: &[&str] = match name {
        "ipaddr" | "ipv4" | "ipv6" => &["ansible.utils", "ansible.netcommon"],
        _ => &["ansible.builtin"],
    };
    std::iter::once(name.to_owned()).chain(collections.iter().map(move |c| format!("{c}.{name}")))
}

/// Every error names its filter, since a template's line may hold many.
fn call(entry: &Entry, state: &State, value: &Value, given: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    if value.is_undefined() && entry.name != "mandatory" {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let run = || (entry.run)(state, value, &Args::read(entry, given.into_values())?);
    run().map_err(|error| match error.detail() {
        Some(detail) if matches!(error.kind(), ErrorKind::InvalidOperation | ErrorKind::MissingArgument) => {
            Error::new(error.kind(), format!("{}: {detail}", entry.name))
        }
        _ => error,
    })
}

/// An error of a filter; [`call`] puts the filter's name before it.
fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into())
}

#[cfg(test)]
mod tests;
