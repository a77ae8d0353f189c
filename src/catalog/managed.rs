//! What of a directory's contents has a resource of its own.

use super::link::List;

/// Tells each resource that asks for it which paths below its own the others manage.
pub(super) fn tell(lists: &mut [List]) {
    let batches = || lists.iter().filter_map(|list| list.batch.as_ref());
    let made = batches().flat_map(|batch| (0..batch.len()).filter_map(|i| Some(batch.makes(i)?.path.to_owned())));
    let mut paths: Vec<String> = made.collect();
    paths.sort_unstable();
    for List { declared, batch, .. } in lists {
        let Some(batch) = batch else { continue };
        for (i, declared) in declared.iter_mut().enumerate() {
            let Some(own) = batch.makes(i).filter(|_| batch.wants_managed_below(i)) else { continue };
            let top = format!("{}/", own.path);
            let from = paths.partition_point(|p| *p < top);
            let below: Vec<String> = paths.iter().skip(from).take_while(|p| p.starts_with(&top)).cloned().collect();
            declared.managed_below.clone_from(&below);
            batch.tell_managed_below(i, below);
        }
    }
}
