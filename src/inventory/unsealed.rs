//! Files of variables that ansible-vault encrypted are opened for the hosts that a run is for, and for no others.

use super::hosts::{Inventory, Level};
use crate::language::diagnostic::Diagnostics;
use crate::language::vault::Keyring;
use rayon::prelude::*;
use std::collections::HashSet;

impl Inventory {
    /// Opens the files of variables that hold for these hosts, each once, however many hosts share it.
    pub fn open<'a>(&mut self, hosts: impl IntoIterator<Item = &'a str>, keyring: &Keyring, found: &mut Diagnostics) {
        let numbers: HashSet<usize> = hosts.into_iter().filter_map(|h| self.host_numbers.get(h).copied()).collect();
        let mut groups: HashSet<usize> = self.group_numbers.get("all").copied().into_iter().collect();
        groups.extend(numbers.iter().filter_map(|n| self.hosts.get(*n)).flat_map(|h| &h.groups));
        let of_groups =
            self.groups.iter_mut().enumerate().filter(|(n, _)| groups.contains(n)).map(|(_, g)| &mut g.levels);
        let own = self.hosts.iter_mut().enumerate().filter(|(n, _)| numbers.contains(n)).map(|(_, h)| &mut h.levels);
        let sealed: Vec<&mut Level> = of_groups.chain(own).flatten().filter(|l| l.sealed.is_some()).collect();
        // Each takes its time, for a password is made to be hard to guess.
        let told: Vec<Diagnostics> = sealed.into_par_iter().map(|level| level.open(keyring)).collect();
        told.into_iter().for_each(|errors| found.extend(errors));
    }

    /// Whether a file of variables that holds for a host has not been opened.
    pub fn is_sealed(&self, host: &str) -> bool {
        self.levels_of(host).any(|(_, l)| l.sealed.is_some())
    }
}

impl Level {
    fn open(&mut self, keyring: &Keyring) -> Diagnostics {
        let Some(file) = &self.sealed else { return Diagnostics::default() };
        match file.open(keyring) {
            Ok(vars) => {
                (self.vars, self.sealed) = (vars.into(), None);
                Diagnostics::default()
            }
            Err(found) => found,
        }
    }
}
