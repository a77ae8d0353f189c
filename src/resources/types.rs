//! The table of all types.

use super::batch::Type;
use super::cron::Cron;
use super::directory::Directory;
use super::exec::Exec;
use super::file::File;
use super::firewall::Firewall;
use super::group::Group;
use super::package::Package;
use super::service::Service;
use super::symlink::Symlink;
use super::sysctl::Sysctl;
use super::timezone::Timezone;
use super::user::User;

/// Every resource type.
pub const TYPES: &[&dyn Type] =
    &[&Package, &File, &Directory, &Symlink, &Service, &User, &Group, &Firewall, &Sysctl, &Timezone, &Cron, &Exec];
