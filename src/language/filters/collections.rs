//! Maps and lists put together and taken apart.

use super::args::{Args, MAX_DEPTH, canonical, is_list, items, kind, pairs, too_deep};
use super::wrong;
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy)]
enum ListMerge {
    Replace,
    Keep,
    Append,
    Prepend,
    AppendNew,
    PrependNew,
}

/// Maps into one; of two entries with the same key the later map's counts.
pub fn combine(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let recursive = args.flag("recursive", false)?;
    let lists = match args.text_or("list_merge", "replace")?.as_ref() {
        "replace" => ListMerge::Replace,
        "keep" => ListMerge::Keep,
        "append" => ListMerge::Append,
        "prepend" => ListMerge::Prepend,
        "append_rp" => ListMerge::AppendNew,
        "prepend_rp" => ListMerge::PrependNew,
        other => {
            return Err(wrong(format!(
                "`list_merge` is one of replace, keep, append, prepend, append_rp, prepend_rp, not `{other}`"
            )));
        }
    };
    let mut merged: Option<Value> = None;
    for given in [value].into_iter().chain(&args.more) {
        // A list of maps stands for its maps.
        let maps = if is_list(given) { items(state, given)? } else { vec![given.clone()] };
        for map in maps {
            if map.kind() != ValueKind::Map {
                return Err(wrong(format!("maps are wanted, this is {}", kind(&map))));
            }
            merged = Some(match merged {
                None => map,
                Some(under) => merge(state, &under, &map, recursive, lists, 0)?,
            });
        }
    }
    Ok(merged.unwrap_or_else(|| Value::from_pairs(Vec::<(Value, Value)>::new())))
}

fn merge(
    state: &State,
    under: &Value,
    over: &Value,
    recursive: bool,
    lists: ListMerge,
    depth: usize,
) -> Result<Value, Error> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    let mut all = pairs(state, under)?;
    let at: BTreeMap<Value, usize> = all.iter().enumerate().map(|(n, (key, _))| (key.clone(), n)).collect();
    for (key, new) in pairs(state, over)? {
        let Some((_, old)) = at.get(&key).and_then(|n| all.get_mut(*n)) else {
            all.push((key, new));
            continue;
        };
        *old = if old.kind() == ValueKind::Map && new.kind() == ValueKind::Map && recursive {
            merge(state, old, &new, recursive, lists, depth + 1)?
        } else if is_list(old) && is_list(&new) {
            merge_lists(state, old, new, lists)?
        } else {
            new
        };
    }
    Ok(Value::from_pairs(all))
}

fn merge_lists(state: &State, old: &Value, new: Value, how: ListMerge) -> Result<Value, Error> {
    let without_new = || -> Result<Vec<Value>, Error> {
        let known = set(state, &new)?;
        let mut kept = vec![];
        for item in items(state, old)? {
            if !known.contains(&canonical(state, &item, 0)?) {
                kept.push(item);
            }
        }
        Ok(kept)
    };
    let (first, then) = match how {
        ListMerge::Replace => return Ok(new),
        ListMerge::Keep => return Ok(old.clone()),
        ListMerge::Append => (items(state, old)?, items(state, &new)?),
        ListMerge::Prepend => (items(state, &new)?, items(state, old)?),
        ListMerge::AppendNew => (without_new()?, items(state, &new)?),
        ListMerge::PrependNew => (items(state, &new)?, without_new()?),
    };
    Ok(first.into_iter().chain(then).collect())
}

pub fn dict2items(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let (key_name, value_name) = (args.text_or("key_name", "key")?, args.text_or("value_name", "value")?);
    let entry = |(key, item)| Value::from_pairs([(key_name.as_ref(), key), (value_name.as_ref(), item)]);
    Ok(pairs(state, value)?.into_iter().map(entry).collect())
}

pub fn items2dict(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let (key_name, value_name) = (args.text_or("key_name", "key")?, args.text_or("value_name", "value")?);
    let mut all = vec![];
    for item in items(state, value)? {
        let part = |name: &str| match item.kind() {
            ValueKind::Map => match item.get_attr(name)? {
                v if v.is_undefined() => Err(wrong(format!("an item has no `{name}`"))),
                v => Ok(v),
            },
            _ => Err(wrong(format!("a list of maps is wanted, this item is {}", kind(&item)))),
        };
        let key = part(&key_name)?;
        if is_list(&key) || key.kind() == ValueKind::Map {
            return Err(wrong(format!("an item's `{key_name}` is {}, which cannot be a key", kind(&key))));
        }
        all.push((key, part(&value_name)?));
    }
    Ok(Value::from_pairs(all))
}

pub fn flatten(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let levels = args.number("levels", MAX_DEPTH)?;
    let skip_nulls = args.flag("skip_nulls", true)?;
    let mut flat = vec![];
    flatten_into(state, value, levels, skip_nulls, 0, &mut flat)?;
    Ok(flat.into_iter().collect())
}

fn flatten_into(
    state: &State,
    value: &Value,
    levels: Option<usize>,
    skip_nulls: bool,
    depth: usize,
    flat: &mut Vec<Value>,
) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    for item in items(state, value)? {
        if is_list(&item) && levels.is_none_or(|l| depth < l) {
            flatten_into(state, &item, levels, skip_nulls, depth + 1, flat)?;
        } else if !(skip_nulls && item.is_none()) {
            flat.push(item);
        }
    }
    Ok(())
}

/// A list's items without repetitions, each with what it is compared by.
fn distinct(state: &State, value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    let mut seen = BTreeSet::new();
    let mut all = vec![];
    for item in items(state, value)? {
        let key = canonical(state, &item, 0)?;
        if seen.insert(key.clone()) {
            all.push((key, item));
        }
    }
    Ok(all)
}

/// What a list's items are compared by.
pub fn set(state: &State, value: &Value) -> Result<BTreeSet<Value>, Error> {
    items(state, value)?.iter().map(|v| canonical(state, v, 0)).collect()
}

fn values(all: impl IntoIterator<Item = (Value, Value)>) -> Value {
    all.into_iter().map(|(_, v)| v).collect()
}

pub fn union(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let mut all = distinct(state, value)?;
    let known: BTreeSet<Value> = all.iter().map(|(key, _)| key.clone()).collect();
    all.extend(distinct(state, args.required("other")?)?.into_iter().filter(|(key, _)| !known.contains(key)));
    Ok(values(all))
}

pub fn intersect(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let known = set(state, args.required("other")?)?;
    Ok(values(distinct(state, value)?.into_iter().filter(|(key, _)| known.contains(key))))
}

pub fn difference(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let known = set(state, args.required("other")?)?;
    Ok(values(distinct(state, value)?.into_iter().filter(|(key, _)| !known.contains(key))))
}

pub fn symmetric_difference(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let (left, right) = (distinct(state, value)?, distinct(state, args.required("other")?)?);
    let keys = |all: &[(Value, Value)]| all.iter().map(|(key, _)| key.clone()).collect::<BTreeSet<_>>();
    let (in_left, in_right) = (keys(&left), keys(&right));
    let left = left.into_iter().filter(|(key, _)| !in_right.contains(key));
    Ok(values(left.chain(right.into_iter().filter(|(key, _)| !in_left.contains(key)))))
}

/// Every way to take one item of each list.
pub fn product(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let mut lists = vec![items(state, value)?];
    for more in &args.more {
        lists.push(items(state, more)?);
    }
    let repeat = args.number("repeat", MAX_DEPTH)?.unwrap_or(1);
    let lists: Vec<_> = std::iter::repeat_n(lists, repeat).flatten().collect();
    let mut rows: Vec<Vec<Value>> = vec![vec![]];
    for list in lists {
        // Paid for before it is made: a product grows faster than anything else here.
        let size = (rows.len() as u64).saturating_mul(list.len() as u64);
        state.consume_fuel(size.saturating_mul(1 + rows.first().map_or(0, Vec::len) as u64))?;
        rows = rows
            .iter()
            .flat_map(|row| list.iter().map(move |item| row.iter().chain([item]).cloned().collect()))
            .collect();
    }
    Ok(rows.into_iter().map(Value::from).collect())
}

/// What stands in a container under this key, and below that under more keys.
pub fn extract(_: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let more = match args.get("morekeys") {
        None => vec![],
        Some(keys) if is_list(keys) => keys.try_iter()?.collect(),
        Some(key) => vec![key.clone()],
    };
    let mut found = args.required("container")?.clone();
    for key in std::iter::once(value.clone()).chain(more) {
        let below = found.get_item(&key)?;
        if below.is_undefined() {
            return Err(wrong("the container has nothing under this key"));
        }
        found = below;
    }
    Ok(found)
}

/// Each item with each of what it has in a list of its own, whose name may be a path with dots.
pub fn subelements(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let all = match value.kind() {
        ValueKind::Map => pairs(state, value)?.into_iter().map(|(_, item)| item).collect(),
        _ => items(state, value)?,
    };
    let path = args.text("subelements")?;
    let skips = args.flag("skip_missing", false)?;
    let mut out = vec![];
    for item in all {
        let mut below = item.clone();
        for part in path.split('.') {
            below = below.get_attr(part)?;
            if below.is_undefined() {
                break;
            }
        }
        if below.is_undefined() && skips {
            continue;
        }
        if below.is_undefined() || !is_list(&below) {
            return Err(wrong(format!("an item has no list `{path}`; `skip_missing=true` passes over such items")));
        }
        for sub in items(state, &below)? {
            out.push(Value::from(vec![item.clone(), sub]));
        }
    }
    Ok(Value::from(out))
}

/// The first of each list, then the second of each, as far as the shortest goes.
pub fn zip(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let lists = lists(state, value, args)?;
    let length = lists.iter().map(Vec::len).min().unwrap_or_default();
    zipped(state, &lists, length, &Value::UNDEFINED)
}

/// Likewise, as far as the longest goes.
pub fn zip_longest(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let lists = lists(state, value, args)?;
    let length = lists.iter().map(Vec::len).max().unwrap_or_default();
    zipped(state, &lists, length, &args.get("fillvalue").cloned().unwrap_or_else(|| Value::from(())))
}

fn lists(state: &State, value: &Value, args: &Args) -> Result<Vec<Vec<Value>>, Error> {
    [value].into_iter().chain(&args.more).map(|list| items(state, list)).collect()
}

fn zipped(state: &State, lists: &[Vec<Value>], length: usize, fill: &Value) -> Result<Value, Error> {
    state.consume_fuel((length as u64).saturating_mul(lists.len() as u64))?;
    let row = |n: usize| lists.iter().map(|list| list.get(n).unwrap_or(fill).clone()).collect::<Value>();
    Ok((0..length).map(row).collect())
}

/// All choices of `length` items in each order, by default of all items.
pub fn permutations(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    chosen(state, value, args, |picked, n| !picked.contains(&n))
}

/// All choices of `length` items.
pub fn combinations(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    args.required("length")?;
    chosen(state, value, args, |picked, n| picked.last().is_none_or(|last| *last < n))
}

fn chosen(state: &State, value: &Value, args: &Args, may: fn(&[usize], usize) -> bool) -> Result<Value, Error> {
    let all = items(state, value)?;
    let length = args.number("length", MAX_DEPTH)?.unwrap_or(all.len());
    let mut choices: Vec<Vec<usize>> = vec![vec![]];
    for _ in 0..length {
        let mut longer = vec![];
        for picked in &choices {
            state.consume_fuel(1 + all.len() as u64)?;
            for n in (0..all.len()).filter(|n| may(picked, *n)) {
                longer.push(picked.iter().copied().chain([n]).collect());
            }
        }
        choices = longer;
    }
    let choice = |picked: &Vec<usize>| picked.iter().filter_map(|n| all.get(*n).cloned()).collect::<Value>();
    Ok(choices.iter().map(choice).collect())
}

/// A list of maps as a map by one of their values.
pub fn rekey_on_member(state: &State, value: &Value, args: &Args) -> Result<Value, Error> {
    let key = args.required("key")?;
    let overwrite = match args.text_or("duplicates", "error")?.as_ref() {
        "error" => false,
        "overwrite" => true,
        other => return Err(wrong(format!("`duplicates` is error or overwrite, not `{other}`"))),
    };
    let all = match value.kind() {
        ValueKind::Map => pairs(state, value)?.into_iter().map(|(_, item)| item).collect(),
        _ => items(state, value)?,
    };
    let mut out: Vec<(Value, Value)> = vec![];
    for item in all {
        let named = item.get_item(key).ok().filter(|v| !v.is_undefined());
        let named = named.ok_or_else(|| wrong("an item has no such key"))?;
        state.consume_fuel(1 + out.len() as u64 / 8)?;
        match out.iter_mut().find(|(name, _)| *name == named) {
            Some(_) if !overwrite => return Err(wrong("two items have the same value there")),
            Some((_, there)) => *there = item,
            None => out.push((named, item)),
        }
    }
    Ok(Value::from_pairs(out))
}
