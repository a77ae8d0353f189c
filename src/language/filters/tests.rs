//! What each filter and test gives, as Ansible's documentation and Python have it.

use super::{FILTERS, NAMES, TESTS, add_to};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context};
use std::collections::BTreeSet;

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(1_000_000));
    env.set_debug(true);
    add_to(&mut env);
    env
}

fn eval(expression: &str) -> Result<Value, minijinja::Error> {
    let yaml = "a: 1\nb: [1, '2']\nc: {x: null}\n";
    let nul = "a\0b";
    environment().compile_expression_owned(expression.to_owned())?.eval(context! { yaml, nul, none => () })
}

#[test]
fn gives_what_is_documented() {
    let table = [
        // Maps.
        ("{'a': 1, 'b': 2} | combine({'b': 3})", r#"{"a":1,"b":3}"#),
        ("{'a': {'x': 1}} | combine({'a': {'y': 2}})", r#"{"a":{"y":2}}"#),
        ("{'a': {'x': 1}} | combine({'a': {'y': 2}}, recursive=true)", r#"{"a":{"x":1,"y":2}}"#),
        ("[{'a': 1}, {'b': 2}] | combine({'a': 3}, {'c': 4})", r#"{"a":3,"b":2,"c":4}"#),
        ("{'a': [1]} | combine({'a': [2]}, list_merge='append')", r#"{"a":[1,2]}"#),
        ("{'a': [1]} | combine({'a': [2]}, list_merge='prepend')", r#"{"a":[2,1]}"#),
        ("{'a': [1]} | combine({'a': [2]}, list_merge='keep')", r#"{"a":[1]}"#),
        ("{'a': [1, 2, 3]} | combine({'a': [3, 4]}, list_merge='append_rp')", r#"{"a":[1,2,3,4]}"#),
        ("{'a': [1, 2, 3]} | combine({'a': [3, 4]}, list_merge='prepend_rp')", r#"{"a":[3,4,1,2]}"#),
        ("{'a': [1, 1, 2]} | combine({'a': [2]}, list_merge='append_rp')", r#"{"a":[1,1,2]}"#),
        ("{'a': {'l': [1]}} | combine({'a': {'l': [2]}}, recursive=true, list_merge='append')", r#"{"a":{"l":[1,2]}}"#),
        ("[] | combine", "{}"),
        ("{'a': 1} | ansible.builtin.combine({'b': 2})", r#"{"a":1,"b":2}"#),
        ("'a1' is ansible.builtin.match('a')", "true"),
        ("'10.0.0.1/8' | ansible.utils.ipaddr('address')", r#""10.0.0.1""#),
        ("['a', 'b'] | map('extract', {'a': 1, 'b': 2}) | list", "[1,2]"),
        ("'a' | extract({'a': {'x': [7]}}, ['x', 0])", "7"),
        ("[{'n': 'a', 'k': [1, 2]}, {'n': 'b', 'k': []}] | subelements('k') | map('last') | list", "[1,2]"),
        ("[{'n': 'a'}] | subelements('k', skip_missing=true)", "[]"),
        ("['/etc', 'a', 'b'] | path_join", r#""/etc/a/b""#),
        ("['/etc/', '/a', 'b/'] | path_join", r#""/a/b/""#),
        ("'abc' | sha1", r#""a9993e364706816aba3e25717850c26c9cd0d89d""#),
        (
            "[1, 1.5, 'a', [], {}, none, true] | map('type_debug') | join(' ')",
            r#""int float str list dict NoneType bool""#,
        ),
        ("'1.5 GB' | human_to_bytes", "1610612736"),
        ("'2k' | human_to_bytes", "2048"),
        ("'2.5' | human_to_bytes", "2"),
        ("'1' | human_to_bytes('M')", "1048576"),
        ("'10Mb' | human_to_bytes(isbits=true)", "10485760"),
        ("10 | human_readable", r#""10.00 Bytes""#),
        ("1500000 | human_readable", r#""1.43 MB""#),
        ("1048576 | human_readable(isbits=true)", r#""1.00 Mb""#),
        ("1099511627776 | human_readable(unit='G')", r#""1024.00 GB""#),
        ("{'a': 1, 'b': 2} | dict2items", r#"[{"key":"a","value":1},{"key":"b","value":2}]"#),
        ("{'a': 1} | dict2items(key_name='k', value_name='v')", r#"[{"k":"a","v":1}]"#),
        ("[{'key': 'a', 'value': 1}] | items2dict", r#"{"a":1}"#),
        ("[{'fruit': 'apple', 'colour': 'red'}] | items2dict('fruit', 'colour')", r#"{"apple":"red"}"#),
        // Lists.
        ("[3, [4, 2]] | flatten", "[3,4,2]"),
        ("[3, [4, [2]]] | flatten(levels=1)", "[3,4,[2]]"),
        ("[3, none, [4, [2]]] | flatten", "[3,4,2]"),
        ("[3, none] | flatten(skip_nulls=false)", "[3,null]"),
        ("[1, 2, 5, 1, 3] | union([1, 2, 4])", "[1,2,5,3,4]"),
        ("[1, 2, 5, 1, 3] | intersect([1, 2, 4, 2])", "[1,2]"),
        ("[1, 2, 5, 1, 3] | difference([1, 2, 4])", "[5,3]"),
        ("[1, 2, 5, 1, 3] | symmetric_difference([1, 2, 4])", "[5,3,4]"),
        ("[{'a': 1, 'b': 2}] | union([{'b': 2, 'a': 1}])", r#"[{"a":1,"b":2}]"#),
        ("['A'] | difference(['a'])", r#"["A"]"#),
        ("[1, 2] | product(['a', 'b'])", r#"[[1,"a"],[1,"b"],[2,"a"],[2,"b"]]"#),
        ("[0, 1] | product(repeat=2)", "[[0,0],[0,1],[1,0],[1,1]]"),
        ("[1, 2] | product([])", "[]"),
        ("[1, 2] | zip(['a', 'b']) | list", r#"[[1,"a"],[2,"b"]]"#),
        // Regular expressions.
        ("'ansible' | regex_replace('^a.*i(.*)$', 'a\\\\1')", r#""able""#),
        ("'foobar' | regex_replace('^f.*o(.*)$', '\\\\1')", r#""bar""#),
        (
            "'localhost:80' | regex_replace('^(?P<host>.+):(?P<port>\\\\d+)$', '\\\\g<host>, \\\\g<port>')",
            r#""localhost, 80""#,
        ),
        ("'foobar' | regex_replace('^(.*)$', '\\\\g<1>0$1')", r#""foobar0$1""#),
        ("'Aa' | regex_replace('a', 'b', ignorecase=True)", r#""bb""#),
        ("'aaa' | regex_replace('a', 'b', count=2)", r#""bba""#),
        ("'x\ny' | regex_replace('^', '# ', multiline=True)", "\"# x\\n# y\""),
        ("'a.b' | regex_replace('\\\\.', '\\\\n')", r#""a\nb""#),
        ("42 | regex_replace('4', '5')", r#""52""#),
        ("'server1/database42' | regex_search('database[0-9]+')", r#""database42""#),
        ("'foo\nBAR' | regex_search('^bar', multiline=True, ignorecase=True)", r#""BAR""#),
        ("'server1/database42' | regex_search('server([0-9]+)/database([0-9]+)', '\\\\1', '\\\\2')", r#"["1","42"]"#),
        ("'21/42' | regex_search('(?P<a>[0-9]+)/(?P<b>[0-9]+)', '\\\\g<b>', '\\\\g<a>')", r#"["42","21"]"#),
        ("'abc' | regex_search('x')", "null"),
        ("'CAR\ntar\nfoo' | regex_findall('^.ar$', multiline=True, ignorecase=True)", r#"["CAR","tar"]"#),
        ("'a1 b2' | regex_findall('[a-z]([0-9])')", r#"["1","2"]"#),
        ("'a1 b2' | regex_findall('([a-z])([0-9])')", r#"[["a","1"],["b","2"]]"#),
        ("'^f.*o(.*)$' | regex_escape", r#""\\^f\\.\\*o\\(\\.\\*\\)\\$""#),
        ("'^f.*o(.*)$' | regex_escape('posix_basic')", r#""\\^f\\.\\*o(\\.\\*)\\$""#),
        // Encodings.
        ("'Hello World' | b64encode", r#""SGVsbG8gV29ybGQ=""#),
        ("'SGVsbG8gV29ybGQ=' | b64decode", r#""Hello World""#),
        ("'hi' | b64encode(encoding='utf-16-le') | b64decode(encoding='utf-16-le')", r#""hi""#),
        ("'test1' | hash", r#""b444ac06613fc8d63795be9ad0beaf55011936ac""#),
        ("'abc' | hash('sha256')", r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#),
        ("'' | hash('sha512') | length", "128"),
        // JSON.
        ("{'b': [1, 2.5, none], 'a': true} | to_json", r#""{\"b\": [1, 2.5, null], \"a\": true}""#),
        ("{'b': 1, 'a': []} | to_nice_json", r#""{\n    \"a\": [],\n    \"b\": 1\n}""#),
        ("{'a': 1} | to_nice_json(indent=2)", r#""{\n  \"a\": 1\n}""#),
        ("{'b': 1, 'a': 2} | to_json(sort_keys=True)", r#""{\"a\": 2, \"b\": 1}""#),
        ("'é𝄞' | to_json", r#""\"\\u00e9\\ud834\\udd1e\"""#),
        ("'é' | to_json(ensure_ascii=False)", r#""\"é\"""#),
        ("{1: 'x'} | to_json", r#""{\"1\": \"x\"}""#),
        (r#"'{"a": [1, null]}' | from_json"#, r#"{"a":[1,null]}"#),
        // YAML.
        ("{'b': [1, 2], 'a': {'x': 1}} | to_yaml", r#""a: {x: 1}\nb: [1, 2]\n""#),
        ("{'a': 1} | to_yaml(default_flow_style=False)", r#""a: 1\n""#),
        (
            "{'a': [1, {'x': 1, 'z': [[2]]}], 'b': {'c': {}}} | to_nice_yaml",
            r#""a:\n- 1\n-   x: 1\n    z:\n    -   - 2\nb:\n    c: {}\n""#,
        ),
        ("{'a': [{'x': 1, 'z': 2}]} | to_nice_yaml(indent=2)", r#""a:\n- x: 1\n  z: 2\n""#),
        ("{'b': 1, 'a': 2} | to_nice_yaml(sort_keys=False)", r#""b: 1\na: 2\n""#),
        (
            "['yes', '1', '1.5', '', 'a: b', '~', 'x\ny', \"it's\", 'a #b', '10.0.0.1', '12:30', 1e30] | to_nice_yaml",
            "\"- 'yes'\\n- '1'\\n- '1.5'\\n- ''\\n- 'a: b'\\n- '~'\\n- \\\"x\\\\ny\\\"\\n- 'it''s'\\n- 'a #b'\\n- 10.0.0.1\\n- '12:30'\\n- 1.0e+30\\n\"",
        ),
        ("yaml | from_yaml", r#"{"a":1,"b":[1,"2"],"c":{"x":null}}"#),
        ("'' | from_yaml", "null"),
        // Choices and text.
        ("true | ternary('a', 'b')", r#""a""#),
        ("0 | ternary('a', 'b')", r#""b""#),
        ("none | ternary('a', 'b', 'c')", r#""c""#),
        ("none | ternary('a', 'b')", r#""b""#),
        ("'x' | mandatory", r#""x""#),
        ("'No' | bool", "false"),
        ("'on' | bool", "true"),
        ("1 | bool", "true"),
        ("none | bool", "null"),
        ("'a b' | quote", r#""'a b'""#),
        ("'' | quote", r#""''""#),
        ("\"it's\" | quote", r#""'it'\"'\"'s'""#),
        ("'a-b.c/d' | quote", r#""a-b.c/d""#),
        ("'x\n\ny' | comment", r##""#\n# x\n#\n# y\n#""##),
        ("'x' | comment('c')", r#""//\n// x\n//""#),
        ("'x' | comment('cblock')", r#""/*\n *\n * x\n *\n */""#),
        ("'x' | comment('xml')", r#""<!--\n -\n - x\n -\n-->""#),
        (
            "'x' | comment('plain', prefix='!!!!\n!', postfix='!\n!!!!\n  !!\n   !')",
            r##""!!!!\n!\n# x\n!\n!!!!\n  !!\n   !""##,
        ),
        ("'x' | comment(decoration='! ')", r#""!\n! x\n!""#),
        ("'x' | comment(prefix='', postfix_count=0)", r##""# x""##),
        // Paths.
        ("'/etc/asdf/foo.txt' | basename", r#""foo.txt""#),
        ("'/etc/' | basename", r#""""#),
        ("'/etc/asdf/foo.txt' | dirname", r#""/etc/asdf""#),
        ("'/foo' | dirname", r#""/""#),
        ("'foo' | dirname", r#""""#),
        ("'/a//b' | dirname", r#""/a""#),
        ("'/etc/my.d/nginx.conf' | splitext", r#"["/etc/my.d/nginx",".conf"]"#),
        ("'/etc/my.d/.bashrc' | splitext", r#"["/etc/my.d/.bashrc",""]"#),
        ("'..a.b' | splitext", r#"["..a",".b"]"#),
        // Addresses.
        ("'192.168.0.1' | ipaddr", r#""192.168.0.1""#),
        ("'192.168.0.256' | ipaddr", "false"),
        ("'192.168.0.1/33' | ipaddr", "false"),
        ("'fe80::1/64' | ipaddr", r#""fe80::1/64""#),
        ("true | ipaddr", "false"),
        ("'192.168.0.1/24' | ipaddr('address')", r#""192.168.0.1""#),
        ("'192.168.0.0/24' | ipaddr('address')", "false"),
        ("'192.168.0.0/31' | ipaddr('address')", r#""192.168.0.0""#),
        ("'192.168.0.5/24' | ipaddr('network')", r#""192.168.0.0""#),
        ("'192.168.0.5/24' | ipaddr('netmask')", r#""255.255.255.0""#),
        ("'192.168.0.5' | ipaddr('netmask')", r#""255.255.255.255""#),
        ("'0.0.0.0/0' | ipaddr('netmask')", r#""0.0.0.0""#),
        ("'::/0' | ipaddr('netmask')", r#""::""#),
        ("'192.168.0.5/255.255.240.0' | ipaddr('prefix')", "20"),
        ("'192.168.0.5/255.0.255.0' | ipaddr", "false"),
        ("'192.168.0.5/24' | ipaddr('broadcast')", r#""192.168.0.255""#),
        ("'2001:db8::5/32' | ipaddr('subnet')", r#""2001:db8::/32""#),
        ("['10.0.0.1', 'host', '::1'] | ipaddr", r#"["10.0.0.1","::1"]"#),
        ("['10.0.0.1', 'host', '::1'] | ipv6", r#"["::1"]"#),
        ("['10.0.0.1/8', '::1'] | ipv4('prefix')", "[8]"),
        // Tests.
        ("'https://example.com/users/foo' is match('https://example.com/users/.*')", "true"),
        ("'foobar' is match('bar')", "false"),
        ("'foobar' is search('BAR', ignorecase=True)", "true"),
        ("'foobar' is regex('bar')", "true"),
        ("'foobar' is regex('foo', match_type='fullmatch')", "false"),
        ("'foobar' is regex('foo|foobar', match_type='fullmatch')", "true"),
        ("['abc', 'xbc'] | select('match', 'a') | list", r#"["abc"]"#),
        ("'16.04' is version('12.04', '>=')", "true"),
        ("'1.10' is version('1.9', 'gt')", "true"),
        ("'1.2.0' is version('1.2', '==')", "false"),
        ("'2.0' is version('2.0')", "true"),
        ("20.04 is version('18.04', '>')", "true"),
        ("'1.0rc1' is version('1.0', '>')", "true"),
        ("'1.0b1' is version('1.0', '<', strict=True)", "true"),
        ("'1.0.0-rc.1' is version('1.0.0', '<', version_type='semver')", "true"),
        ("'1.0.0-rc.2' is version('1.0.0-rc.10', '<', version_type='semver')", "true"),
        ("'1.0.0+a' is version('1.0.0+b', version_type='semver')", "true"),
        ("'1:99999999999999999999999' is version('1:99999999999999999999998', '>')", "true"),
        ("[1, 2] is subset([1, 2, 3])", "true"),
        ("[1, 2, 3] is superset([1, 4])", "false"),
        ("[1, 2] is contains(2)", "true"),
        ("'abc' is contains('b')", "true"),
        ("{'a': 1} is contains('b')", "false"),
        ("[{'l': [1]}, {'l': [2]}] | selectattr('l', 'contains', 2) | list", r#"[{"l":[2]}]"#),
    ];
    let mut bad = vec![];
    for (expression, wanted) in table {
        let got = match eval(expression) {
            Ok(value) => serde_json::to_string(&value).unwrap(),
            Err(error) => format!("{error}"),
        };
        if got != wanted {
            bad.push(format!("{expression}\n  gives  {got}\n  wanted {wanted}"));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn says_what_is_wrong() {
    let table = [
        ("1 | combine({})", "combine: maps are wanted, this is a number"),
        ("{} | combine({}, list_merge='x')", "combine: `list_merge` is one of"),
        ("{} | combine({}, recursiv=true)", "combine: it has no parameter `recursiv`; did you mean `recursive`?"),
        ("[1] | union", "union: `other` is missing"),
        ("[1] | union(2, 3)", "union: 2 values given, it takes at most 1: other"),
        ("[1] | union([1], other=[2])", "union: `other` is given twice"),
        ("'ab' | union(['a'])", "union: a list is wanted, this is text"),
        ("[{'key': 1}] | items2dict", "items2dict: an item has no `value`"),
        ("[{'key': [], 'value': 1}] | items2dict", "items2dict: an item's `key` is a list"),
        ("[1] | flatten(levels=-1)", "flatten: `levels` is a whole number"),
        ("'a' | regex_replace('(', '')", "regex_replace: malformed regular expression `(`: unclosed group"),
        ("'a' | regex_replace('(?<=x)a', '')", "look-around"),
        ("'a' | regex_replace('a', '\\\\1')", "regex_replace: the replacement names group 1"),
        ("'a' | regex_replace('a', '\\\\g<x>')", "regex_replace: the replacement names group `x`"),
        ("'a' | regex_replace('a', '\\\\q')", "unknown escape `\\q`"),
        ("'a' | regex_replace('a', 'b', mandatory_count=2)", "`a` was found 1 times, not 2 times"),
        ("'a' | regex_search('\\\\w{1000}{1000}')", "it is too large"),
        ("[1] | regex_search('a')", "regex_search: text is wanted, this is a list"),
        ("'a' | regex_search('a', 'b')", "regex_search: a group is written"),
        ("'!' | b64decode", "b64decode: this is no base64"),
        ("'/w==' | b64decode", "b64decode: what was encoded is not text"),
        ("[1] | tojson(99999999999)", "tojson: `indent` is a whole number from 0 to 16, not 99999999999"),
        ("'{' | from_json", "from_json: this is no JSON: EOF while parsing an object at line 1 column 1"),
        ("'a: 1\nb: [' | from_yaml", "from_yaml: malformed YAML at its line"),
        ("('%20000s' | format('')) | replace(' ', '[') | from_yaml", "from_yaml: "),
        ("('%20000s' | format('')) | replace(' ', '[') | from_json", "from_json: this is no JSON: recursion limit"),
        ("'a: !secret x' | from_yaml", "from_yaml: `!secret` has no meaning"),
        ("'maybe' | bool", "bool: the text means neither yes nor no"),
        ("missing | mandatory(msg='set `missing`')", "mandatory: set `missing`"),
        ("nul | quote", "quote: the text has a NUL"),
        ("'a' | comment('lisp')", "comment: `style` is one of"),
        ("'1.0' | ipaddr('x')", "ipaddr: `query` is one of"),
        ("'a' is match", "match: `pattern` is missing"),
        ("'1' is version('2', '=>')", "version: `operator` is one of"),
        ("'1.x' is version('2.0', strict=True)", "version: `1.x` is no strict version"),
    ];
    for (expression, wanted) in table {
        let error = eval(expression).expect_err(expression).to_string();
        assert!(error.contains(wanted), "{expression}\n  gives  {error}\n  wanted {wanted}");
    }
}

#[test]
fn what_is_undefined_stays_an_error() {
    for expression in
        ["missing | to_json", "missing | mandatory", "[] | union(missing)", "{} | combine(recursive=missing)"]
    {
        assert_eq!(eval(expression).expect_err(expression).kind(), ErrorKind::UndefinedError, "{expression}");
    }
}

#[test]
fn ends_in_time() {
    let doubled = "{% set n = namespace(l=[1]) %}{% for i in range(40) %}{% set n.l = [n.l, n.l] %}{% endfor %}";
    let nested = "{% set n = namespace(l=[1]) %}{% for i in range(500) %}{% set n.l = [n.l] %}{% endfor %}";
    for (before, use_, kind) in [
        (doubled, "n.l | to_json", ErrorKind::OutOfFuel),
        (doubled, "n.l | to_nice_yaml", ErrorKind::OutOfFuel),
        (doubled, "n.l | flatten", ErrorKind::OutOfFuel),
        (doubled, "n.l | union(n.l)", ErrorKind::OutOfFuel),
        (nested, "n.l | to_json", ErrorKind::InvalidOperation),
        (nested, "n.l | flatten", ErrorKind::InvalidOperation),
        (nested, "n.l | union([])", ErrorKind::InvalidOperation),
        ("", "range(100) | product(range(100), range(100), range(100))", ErrorKind::OutOfFuel),
        ("", "[1, 2] | product(repeat=90)", ErrorKind::OutOfFuel),
    ] {
        let error = environment().render_str(&format!("{before}{{{{ {use_} }}}}"), ()).expect_err(use_);
        assert_eq!(error.kind(), kind, "{use_}: {error}");
    }
}

#[test]
fn what_to_yaml_writes_is_read_back() {
    let words = "y n Yes NO on Off true False null Null ~ 1 -1 +1 0x1f 0o17 017 1_000 1.5 .5 1e3 1e+3 .inf -.INF .nan \
                 2001-12-14 12:30:45 190:20:30 << = - ? : , [ ] { } # & * ! | > ' \" % @ ` a:b a,b -a --- ... é 10.0.0.1 \
                 1.2.3 /etc +x (a) = b=c";
    let all: Vec<_> = words.split(' ').map(str::to_owned).collect();
    let more = ["", " a", "a ", "a\n", "a: b", "a #b", "a:", "\t", "\u{7f}", "\u{85}", "a\\b", "\u{2028}", "\u{feff}x"];
    let all: Vec<_> = all.into_iter().chain(more.map(str::to_owned)).collect();
    let back = environment()
        .compile_expression("all | to_nice_yaml | from_yaml")
        .unwrap()
        .eval(context! { all => all.clone() })
        .unwrap();
    assert_eq!(serde_json::to_value(&back).unwrap(), serde_json::to_value(&all).unwrap());
    for text in &all {
        let expression = "({text: [text]} | to_yaml | from_yaml) == {text: [text]}";
        let same = environment().compile_expression(expression).unwrap().eval(context! { text }).unwrap();
        assert!(same.is_true(), "{text:?}");
    }
}

#[test]
fn every_name_is_known() {
    let env = environment();
    let known = |name: &str, test: &str| {
        let expression =
            env.compile_expression(if test == "filter" { "name is filter" } else { "name is test" }).unwrap();
        expression.eval(context! { name }).unwrap().is_true()
    };
    for name in NAMES {
        assert!(known(name, "filter"), "{name}");
    }
    let names: BTreeSet<_> = NAMES.iter().collect();
    assert_eq!(names.len(), NAMES.len());
    for entry in FILTERS {
        assert!(names.contains(&entry.name), "{}", entry.name);
    }
    for entry in TESTS {
        assert!(known(entry.name, "test"), "{}", entry.name);
    }
}
