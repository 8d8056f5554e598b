//! That the system refuses a thread, in words for whoever can change that.

use std::io::{Error, ErrorKind};

/// That there is no thread, and which limit that may be.
pub fn no_thread(error: &Error) -> String {
    let advice = match error.kind() {
        // As seccomp answers for what it does not know.
        ErrorKind::PermissionDenied | ErrorKind::Unsupported => {
            "in a container, its seccomp profile is older than the call clone3: update Docker (to 20.10.10 or later) and \
             libseccomp2 (to 2.5 or later) on the machine, or start the container with --security-opt seccomp=unconfined"
        }
        _ => {
            "a limit is used up: raise that of threads with 'ulimit -u', TasksMax for a service, --pids-limit for a \
             container; or that of address space with 'ulimit -v'"
        }
    };
    format!("the system starts no thread for it: {error}; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refuses_the_thread_is_told_by_how_it_says_no() {
        // EPERM and EAGAIN.
        let by_profile = no_thread(&Error::from_raw_os_error(1));
        assert!(by_profile.contains("seccomp") && !by_profile.contains("ulimit"), "{by_profile}");
        let by_limit = no_thread(&Error::from_raw_os_error(11));
        assert!(by_limit.contains("'ulimit -u'") && by_limit.contains("'ulimit -v'"), "{by_limit}");
        assert!(!by_limit.contains("seccomp"), "{by_limit}");
    }
}
