use super::*;
use Problem::{Duplicate, Empty, Missing, Negative, NotADigit, Overflow, Trailing, Truncated, Unit, Zero};
use proptest::prelude::*;
use std::time::Duration;

const PSI: &str = "some avg10=0.26 avg60=0.25 avg300=0.33 total=4287291\nfull avg10=0.26 avg60=0.25 avg300=0.31 total=4048567\n";
const STAT_V2: &str = "anon 1531904\nfile 9760768\ninactive_file 349429760\nworkingset_refault_anon 7\n\
                       workingset_refault_file 158416\nworkingset_activate_file 3\npgfault 6744221\npgmajfault 1196\n";
const STAT_V1: &str = "cache 9760768\nworkingset_refault_anon 1\nworkingset_refault_file 486\npgmajfault 2\ninactive_file 3\n\
                       hierarchical_memory_limit 67108864\ntotal_workingset_refault_anon 5\n\
                       total_workingset_refault_file 158416\ntotal_pgmajfault 1196\ntotal_inactive_file 349429760\n";
const EVENTS: &str = "low 0\nhigh 12\nmax 34\noom 2\noom_kill 1\noom_group_kill 0\n";
const CPU_V2: &str = "usage_usec 152969802\nuser_usec 112351504\nsystem_usec 40618298\nnr_periods 100\nnr_throttled 25\n\
                      throttled_usec 1500000\nnr_bursts 0\nburst_usec 0\n";
const CPU_V1: &str =
    "nr_periods 100\nnr_throttled 25\nthrottled_time 1500000000\nnr_bursts 0\nburst_time 0\n";
const MEMINFO: &str = "MemTotal:       24684084 kB\nMemFree:        23822484 kB\nMemAvailable:   24290776 kB\nHugePages_Total:       0\n";
const SCHEDSTAT: &str = "1234567890 4567 89\n";

/// What is wrong with a file that ought to hold one number.
const NOT_ONE_NUMBER: [(&[u8], Problem); 13] = [
    (b"", Empty),
    (b"12", Truncated),
    (b"\n", Missing),
    (b"-5\n", Negative),
    (b"+5\n", NotADigit(b'+')),
    (b"1-5\n", NotADigit(b'-')),
    (b"18446744073709551616\n", Overflow),
    (b"99999999999999999999999999999\n", Overflow),
    (b"12\r\n", NotADigit(b'\r')),
    (b"1 2\n", NotADigit(b' ')),
    (b"1\n2\n", Trailing),
    (b"\xff\x00\x80\n", NotADigit(0xff)),
    (b"0x10\n", NotADigit(b'x')),
];

fn problem<T>(result: Result<T, ParseError>) -> Option<Problem> {
    result.err().map(|error| error.problem)
}

#[test]
fn files_of_one_number() {
    type Read = fn(&[u8]) -> Result<u64, ParseError>;
    let readers: [Read; 6] = [
        memory_usage,
        v1_failcnt,
        |bytes| v1_limit(bytes).map(Option::unwrap_or_default),
        |bytes| memory_max(bytes).map(Option::unwrap_or_default),
        |bytes| cpuacct_usage(bytes).map(|time| u64::try_from(time.as_nanos()).expect("read as 64 bits")),
        |bytes| cfs_period(bytes).map(|time| u64::try_from(time.as_micros()).expect("read as 64 bits")),
    ];
    for read in readers {
        assert_eq!(read(b"104599552\n"), Ok(104_599_552));
        for (bytes, expected) in NOT_ONE_NUMBER {
            assert_eq!(problem(read(bytes)), Some(expected), "{:?}", bytes.escape_ascii().to_string());
        }
    }
    assert_eq!(memory_usage(b"18446744073709551615\n"), Ok(u64::MAX));
    assert_eq!(memory_usage(b"0\n"), Ok(0));
}

#[test]
fn limits_know_their_word_for_none() {
    assert_eq!(memory_max(b"max\n"), Ok(None));
    assert_eq!(problem(memory_max(b"maximum\n")), Some(NotADigit(b'm')));
    assert_eq!(problem(memory_max(b"max")), Some(Truncated));
    assert_eq!(v1_limit(b"67108864\n"), Ok(Some(67_108_864)));
    for none in ["9223372036854771712\n", "9223372036854710272\n", "18446744073709551615\n"] {
        assert_eq!(v1_limit(none.as_bytes()), Ok(None), "4 KiB pages, 64 KiB pages, old kernels: {none}");
    }
}

#[test]
fn pressure_is_read_from_its_totals() {
    let whole = Psi { some: Duration::from_micros(4_287_291), full: Some(Duration::from_micros(4_048_567)) };
    assert_eq!(psi(PSI.as_bytes()), Ok(whole));
    let old_cpu = b"some avg10=0.10 avg60=0.41 avg300=1.11 total=9948249\n";
    assert_eq!(
        psi(old_cpu),
        Ok(Psi { some: Duration::from_micros(9_948_249), full: None }),
        "cpu before 5.13"
    );
    assert_eq!(
        psi(b"some avg10=garbage total=1\n").map(|psi| psi.some),
        Ok(Duration::from_micros(1)),
        "averages are not looked at"
    );
    assert_eq!(
        psi(b"more total=x\nsome total=1\n").map(|psi| psi.some),
        Ok(Duration::from_micros(1)),
        "unknown lines neither"
    );
    let table: [(&[u8], &str, Problem); 13] = [
        (b"", "pressure", Empty),
        (b"\n", "some total", Missing),
        (b"\x00\xff\n", "some total", Missing),
        (b"some avg10=0.00 avg60=0.00 avg300=0.00 total=12", "pressure", Truncated),
        (b"full avg10=0.00 avg60=0.00 avg300=0.00 total=12\n", "some total", Missing),
        (b"some avg10=0.00 avg60=0.00 avg300=0.00\n", "some total", Missing),
        (b"some\n", "some total", Missing),
        (b"some total=\n", "some total", Missing),
        (b"some total=-1\n", "some total", Negative),
        (b"some total=1\r\n", "some total", NotADigit(b'\r')),
        (b"some total=18446744073709551616\n", "some total", Overflow),
        (b"some total=1 total=2\n", "some total", Duplicate),
        (b"some total=1\nfull total=1\nfull total=1\n", "full total", Duplicate),
    ];
    for (bytes, field, problem) in table {
        assert_eq!(psi(bytes), Err(ParseError { field, problem }), "{:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn memory_stat_of_both_versions() {
    let expected = MemoryStat {
        inactive_file_bytes: 349_429_760,
        refaults_file: Some(158_416),
        refaults_anon: Some(7),
        major_faults: Some(1196),
        hierarchical_limit_bytes: None,
    };
    assert_eq!(memory_stat_v2(STAT_V2.as_bytes()), Ok(expected));
    let limit = Some(67_108_864);
    let v1 = MemoryStat { refaults_anon: Some(5), hierarchical_limit_bytes: limit, ..expected };
    assert_eq!(memory_stat_v1(STAT_V1.as_bytes()), Ok(v1), "the total_ keys, which include children");
    let old = memory_stat_v2(b"inactive_file 1\nworkingset_refault 9\n").expect("readable");
    assert_eq!((old.refaults_file, old.refaults_anon, old.major_faults), (Some(9), None, None), "before 5.9");
    let own = memory_stat_v1(b"inactive_file 4\nhierarchical_memory_limit 9223372036854771712\n")
        .expect("readable");
    assert_eq!((own.inactive_file_bytes, own.hierarchical_limit_bytes), (4, None));
    for read in [memory_stat_v1, memory_stat_v2] {
        let table: [(&[u8], &str, Problem); 10] = [
            (b"", "memory.stat", Empty),
            (b"inactive_file 12", "memory.stat", Truncated),
            (b"anon 1\n", "inactive_file", Missing),
            (b"\xff\xfe\x00\n", "inactive_file", Missing),
            (b"inactive_file\n", "inactive_file", Missing),
            (b"inactive_file -1\n", "inactive_file", Negative),
            (b"inactive_file 1\r\n", "inactive_file", NotADigit(b'\r')),
            (b"inactive_file  1\n", "inactive_file", NotADigit(b' ')),
            (b"inactive_file 1\npgmajfault 18446744073709551616\n", "pgmajfault", Overflow),
            (b"inactive_file 1\ninactive_file 1\n", "inactive_file", Duplicate),
        ];
        for (bytes, field, problem) in table {
            assert_eq!(
                read(bytes),
                Err(ParseError { field, problem }),
                "{:?}",
                bytes.escape_ascii().to_string()
            );
        }
    }
    let twice = b"total_inactive_file 1\ntotal_inactive_file 1\n";
    assert_eq!(problem(memory_stat_v1(twice)), Some(Duplicate));
}

#[test]
fn limit_hits_and_kills_of_both_versions() {
    assert_eq!(
        memory_events(EVENTS.as_bytes()),
        Ok(MemoryEvents { high: 12, max: 34, oom: 2, oom_kill: Some(1) })
    );
    let old = memory_events(b"low 0\nhigh 1\nmax 2\noom 3\n");
    assert_eq!(old, Ok(MemoryEvents { high: 1, max: 2, oom: 3, oom_kill: None }), "before 4.13");
    assert_eq!(problem(memory_events(b"")), Some(Empty));
    assert_eq!(problem(memory_events(b"high 1\nmax 2\noom 3")), Some(Truncated));
    assert_eq!(memory_events(b"high 1\nmax 2\n"), Err(ParseError { field: "oom", problem: Missing }));
    assert_eq!(problem(memory_events(b"high 1\nmax 2\noom 3\noom 3\n")), Some(Duplicate));
    assert_eq!(problem(memory_events(b"high 1\nmax -2\noom 3\n")), Some(Negative));

    assert_eq!(v1_oom_kills(b"oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Ok(Some(3)));
    assert_eq!(v1_oom_kills(b"oom_kill_disable 0\nunder_oom 0\n"), Ok(None), "before 4.13");
    assert_eq!(problem(v1_oom_kills(b"")), Some(Empty));
    assert_eq!(problem(v1_oom_kills(b"\x00\x01\n")), Some(Missing));
    assert_eq!(problem(v1_oom_kills(b"oom_kill 3")), Some(Truncated));
    assert_eq!(problem(v1_oom_kills(b"oom_kill x\n")), Some(NotADigit(b'x')));
    assert_eq!(problem(v1_oom_kills(b"oom_kill 1\noom_kill 2\n")), Some(Duplicate));
}

#[test]
fn cpu_stat_of_both_versions() {
    let throttling = CpuStat {
        usage: None,
        periods: Some(100),
        throttled_periods: Some(25),
        throttled: Some(Duration::from_millis(1500)),
    };
    let usage = Some(Duration::from_micros(152_969_802));
    assert_eq!(cpu_stat_v2(CPU_V2.as_bytes()), Ok(CpuStat { usage, ..throttling }));
    assert_eq!(cpu_stat_v1(CPU_V1.as_bytes()), Ok(throttling), "nanoseconds in v1");
    let bare = cpu_stat_v2(b"usage_usec 5\nuser_usec 5\nsystem_usec 0\n");
    assert_eq!(
        bare,
        Ok(CpuStat { usage: Some(Duration::from_micros(5)), ..CpuStat::default() }),
        "controller off"
    );
    let table: [(&[u8], &str, Problem); 6] = [
        (b"", "cpu.stat", Empty),
        (b"nr_periods 1", "cpu.stat", Truncated),
        (b"usage_usec 1\nnr_periods 1\nnr_periods 1\n", "nr_periods", Duplicate),
        (b"usage_usec 1\nnr_periods -1\n", "nr_periods", Negative),
        (b"usage_usec 1\nnr_periods 1\nnr_throttled 1\r\n", "nr_throttled", NotADigit(b'\r')),
        (b"usage_usec 1\nnr_periods 1\nthrottled_usec 18446744073709551616\n", "throttled_usec", Overflow),
    ];
    for (bytes, field, problem) in table {
        let text = bytes.escape_ascii().to_string();
        assert_eq!(cpu_stat_v2(bytes), Err(ParseError { field, problem }), "{text}");
        assert_eq!(cpu_stat_v1(bytes), Err(ParseError { field, problem }), "{text}");
    }
    assert_eq!(cpu_stat_v2(CPU_V1.as_bytes()), Err(ParseError { field: "usage_usec", problem: Missing }));
    assert_eq!(cpu_stat_v1(b"usage_usec 1\n"), Err(ParseError { field: "nr_periods", problem: Missing }));
}

#[test]
fn quotas_of_both_versions() {
    assert_eq!(cpu_max(b"max 100000\n"), Ok(None));
    assert_eq!(cpu_max(b"150000 100000\n"), Ok(Some(1.5)));
    for (bytes, expected) in [
        (&b""[..], Empty),
        (b"max", Truncated),
        (b"max\n", Missing),
        (b"150000\n", Missing),
        (b"150000 0\n", Zero),
        (b"0 100000\n", Zero),
        (b"-1 100000\n", Negative),
        (b"150000 100000 1\n", NotADigit(b' ')),
        (b"150000 100000\r\n", NotADigit(b'\r')),
        (b"150000 100000\n1 1\n", Trailing),
        (b"18446744073709551616 100000\n", Overflow),
    ] {
        assert_eq!(problem(cpu_max(bytes)), Some(expected), "{:?}", bytes.escape_ascii().to_string());
    }
    assert_eq!(cfs_quota(b"-1\n"), Ok(None));
    assert_eq!(cfs_quota(b"150000\n"), Ok(Some(Duration::from_millis(150))));
    assert_eq!(problem(cfs_quota(b"-2\n")), Some(Negative));
    assert_eq!(problem(cfs_quota(b"0\n")), Some(Zero));
    assert_eq!(problem(cfs_quota(b"-1")), Some(Truncated));
    assert_eq!(problem(cfs_period(b"0\n")), Some(Zero));
}

#[test]
fn schedstat_is_three_numbers() {
    let stat =
        SchedStat { run: Duration::from_nanos(1_234_567_890), delay: Duration::from_nanos(4567), slices: 89 };
    assert_eq!(schedstat(SCHEDSTAT.as_bytes()), Ok(stat));
    for (bytes, field, problem) in [
        (&b""[..], "schedstat", Empty),
        (b"1 2 3", "schedstat", Truncated),
        (b"\n", "run", Missing),
        (b"1 2\n", "slices", Missing),
        (b"1 2 \n", "slices", Missing),
        (b"1  3\n", "delay", Missing),
        (b"1 2 3 4\n", "slices", Trailing),
        (b"1 -2 3\n", "delay", Negative),
        (b"1 2 3\r\n", "slices", NotADigit(b'\r')),
        (b"1 18446744073709551616 3\n", "delay", Overflow),
        (b"1 2 3\n1 2 3\n", "schedstat", Trailing),
        (b"\x01\x02\x03\n", "run", NotADigit(1)),
    ] {
        assert_eq!(
            schedstat(bytes),
            Err(ParseError { field, problem }),
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    }
}

#[test]
fn the_state_of_a_thread_follows_its_name() {
    for (bytes, stuck) in [
        (&b"42 (worker) S 1 42 42 0 -1 4194304"[..], false),
        (b"42 (worker) D 1 42\n", true),
        (b"42 (worker) R 1", false),
        (b"42 (D) Z 1", false),
        (b"42 (a) D 1 (b) S 1", false),
        (b"42 (a\n) D ) D 1 cut sh", true),
        (b"42 () D 1", true),
    ] {
        assert_eq!(is_blocked(bytes), Ok(stuck), "{:?}", bytes.escape_ascii().to_string());
    }
    for (bytes, field, problem) in [
        (&b""[..], "stat", Empty),
        (b"42 worker D 1", "name", Missing),
        (b"42 (a very long na", "name", Missing),
        (b"42 (worker)", "state", Missing),
        (b"42 (worker) ", "state", Missing),
        (b"42 (worker) D", "state", Missing),
        (b"42 (worker) DD 1", "state", Missing),
        (b"42 (worker) 7 1", "state", Missing),
        (b"42 (worker)\tD 1", "state", Missing),
    ] {
        let wrong = Err(ParseError { field, problem });
        assert_eq!(is_blocked(bytes), wrong, "{:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn meminfo_is_in_kilobytes() {
    let expected = MemInfo { total_bytes: 24_684_084 * 1024, available_bytes: Some(24_290_776 * 1024) };
    assert_eq!(meminfo(MEMINFO.as_bytes()), Ok(expected));
    assert_eq!(
        meminfo(b"MemTotal: 2 kB\n"),
        Ok(MemInfo { total_bytes: 2048, available_bytes: None }),
        "before 3.14"
    );
    for (bytes, field, problem) in [
        (&b""[..], "meminfo", Empty),
        (b"MemTotal: 1 kB", "meminfo", Truncated),
        (b"MemAvailable: 1 kB\n", "MemTotal", Missing),
        (b"\xffMemTotal\n", "MemTotal", Missing),
        (b"MemTotal: 1\n", "MemTotal", Unit),
        (b"MemTotal: 1 MB\n", "MemTotal", Unit),
        (b"MemTotal: 1 kB\r\n", "MemTotal", Unit),
        (b"MemTotal: kB\n", "MemTotal", Unit),
        (b"MemTotal: -1 kB\n", "MemTotal", Negative),
        (b"MemTotal: 18014398509481984 kB\n", "MemTotal", Overflow),
        (b"MemTotal: 1 kB\nMemTotal: 1 kB\n", "MemTotal", Duplicate),
    ] {
        assert_eq!(
            meminfo(bytes),
            Err(ParseError { field, problem }),
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    }
}

#[test]
fn errors_name_the_field() {
    let error = ParseError { field: "nr_periods", problem: NotADigit(0x0d) };
    assert_eq!(error.to_string(), "nr_periods: byte 0x0d in a number");
}

/// Whether each parser accepts the bytes.
fn accepted(bytes: &[u8]) -> Vec<bool> {
    vec![
        psi(bytes).is_ok(),
        memory_stat_v1(bytes).is_ok(),
        memory_stat_v2(bytes).is_ok(),
        memory_events(bytes).is_ok(),
        memory_usage(bytes).is_ok(),
        memory_max(bytes).is_ok(),
        v1_limit(bytes).is_ok(),
        v1_failcnt(bytes).is_ok(),
        v1_oom_kills(bytes).is_ok(),
        cpu_stat_v1(bytes).is_ok(),
        cpu_stat_v2(bytes).is_ok(),
        cpuacct_usage(bytes).is_ok(),
        cpu_max(bytes).is_ok(),
        cfs_quota(bytes).is_ok(),
        cfs_period(bytes).is_ok(),
        schedstat(bytes).is_ok(),
        is_blocked(bytes).is_ok(),
        meminfo(bytes).is_ok(),
    ]
}

fn any_kernel_file() -> impl Strategy<Value = &'static str> {
    let files =
        [PSI, STAT_V1, STAT_V2, EVENTS, CPU_V1, CPU_V2, MEMINFO, SCHEDSTAT, "-1\n", "max 100000\n", "4096\n"];
    prop::sample::select(files.to_vec())
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        accepted(&bytes);
    }

    #[test]
    fn a_damaged_file_is_read_without_a_panic(
        file in any_kernel_file(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = file.as_bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        accepted(&bytes);
    }

    #[test]
    fn a_file_cut_within_a_line_is_never_accepted(file in any_kernel_file(), at in any::<prop::sample::Index>()) {
        let cut = &file.as_bytes()[..at.index(file.len())];
        prop_assume!(!cut.ends_with(b"\n"));
        prop_assert!(accepted(cut).iter().all(|accepted| !accepted));
    }

    #[test]
    fn every_number_is_read_as_it_is(value: u64) {
        prop_assert_eq!(memory_usage(format!("{value}\n").as_bytes()), Ok(value));
    }
}
