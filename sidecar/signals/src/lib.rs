//! Readers of kernel pressure, cgroup and scheduler files over kept-open descriptors.
