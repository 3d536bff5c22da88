//! Extended attributes: POSIX ACLs, the labels of SELinux, and what people note on a file.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use rustix::fs::{self as sys, XattrFlags};
use rustix::io::Errno;

/// The ACL of a file. Where there is one, the group's bits of the mode are its mask.
const ACL: &CStr = c"system.posix_acl_access";

/// Computed of a content, so another content must not get them; the kernel writes its own.
const OF_CONTENT: [&CStr; 3] = [c"security.capability", c"security.evm", c"security.ima"];

/// The kernel's limit for all names, and for a value (xattr(7)).
const MAX_BYTES: usize = 64 << 10;

/// The extended attributes of a file, but for those that belong to its content.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Extended(Vec<(CString, Vec<u8>)>);

impl Extended {
    /// Those of an open file; none where the file system knows none.
    ///
    /// # Errors
    /// They cannot be read, for one because the file may not be.
    pub(crate) fn of(file: impl AsFd) -> Result<Self, Errno> {
        let mut names = vec![0; MAX_BYTES];
        let length = match sys::flistxattr(&file, &mut names[..]) {
            Err(Errno::NOTSUP) => return Ok(Self::default()),
            length => length?,
        };
        let names = names[..length].split_inclusive(|byte| *byte == 0);
        let names = names.filter_map(|name| CStr::from_bytes_with_nul(name).ok());
        let mut found = names
            .filter(|name| !OF_CONTENT.contains(name))
            .map(|name| Ok((name.to_owned(), value(&file, name)?)))
            .collect::<Result<Vec<_>, Errno>>()?;
        found.sort();
        Ok(Self(found))
    }

    /// True if it has an ACL.
    pub(crate) fn has_acl(&self) -> bool {
        self.acl().is_some()
    }

    /// The same without the ACL.
    #[must_use]
    pub(crate) fn without_acl(mut self) -> Self {
        self.0.retain(|(name, _)| name.as_c_str() != ACL);
        self
    }

    /// Gives them to a file, and takes from it those that it was made with: a directory can have a default ACL. The
    /// mode becomes that of the ACL. To be called when the file has its owner.
    ///
    /// # Errors
    /// The system refuses one, or says that it was taken and does not show it.
    pub(crate) fn give(&self, file: impl AsFd) -> Result<(), Errno> {
        let present = Self::of(&file)?;
        let is_wanted = |name: &CString| self.0.iter().any(|(wanted, _)| wanted == name);
        for (name, _) in present.0.iter().filter(|(name, _)| !is_wanted(name)) {
            sys::fremovexattr(&file, name)?;
        }
        let mut missing: Vec<_> = self.0.iter().filter(|it| !present.0.contains(it)).collect();
        // The ACL last: with it, the mode may no more let attributes be written.
        missing.sort_by_key(|(name, _)| name.as_c_str() == ACL);
        for (name, value) in missing {
            sys::fsetxattr(&file, name, value, XattrFlags::empty())?;
        }
        if Self::of(&file)? == *self { Ok(()) } else { Err(Errno::NOTSUP) }
    }

    /// Gives a copy of the file those that the system lets it have, and no ACL but this one.
    ///
    /// # Errors
    /// It cannot have the ACL: then the group's bits of the mode are not the group's.
    pub(crate) fn give_some(&self, file: impl AsFd) -> Result<(), Errno> {
        for (name, value) in &self.0 {
            // What a copy must not lack is seen below.
            let _ = sys::fsetxattr(&file, name, value, XattrFlags::empty());
        }
        let is_inherited = !self.has_acl() && Self::of(&file)?.has_acl();
        if is_inherited {
            sys::fremovexattr(&file, ACL)?;
        }
        if Self::of(&file)?.acl() == self.acl() { Ok(()) } else { Err(Errno::NOTSUP) }
    }

    fn acl(&self) -> Option<&[u8]> {
        let mut all = self.0.iter();
        all.find(|(name, _)| name.as_c_str() == ACL).map(|(_, value)| &value[..])
    }
}

fn value(file: impl AsFd, name: &CStr) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; MAX_BYTES];
    let length = sys::fgetxattr(file, name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}
