package signals

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Roots are where the kernel's file systems are; tests use recorded trees.
type Roots struct{ Proc, Sys string }

// group is a cgroup as a list of directories: the group itself, then its ancestors up to the mount point, since limits bind from
// every ancestor. An empty one has no visible hierarchy.
type group struct {
	v1     bool
	levels []string
}

func (g *group) equal(other *group) bool {
	return g.v1 == other.v1 && slices.Equal(g.levels, other.levels)
}

func (g *group) found() bool { return len(g.levels) > 0 }

// layout is where the files of this process are.
type layout struct {
	memory, cpu group
	// v1 only: cpuacct.usage.
	cpuacct group
	// Empty in the root of the hierarchy as well: there the files are the node's, which is another signal.
	pressure string
}

// discover finds the directories as they are now.
//
// Why not just /sys/fs/cgroup: that is right in a container on v2 and wrong nearly everywhere else (v1, hybrid, a plain host), and
// being wrong means to steer a service by the memory of another. So the kernel's own statement is followed, /proc/self/cgroup
// against mountinfo. Where the group lies outside of what is mounted (a container without its own namespace), the mount point is
// taken, unless that is the hierarchy's root, which would be the whole node; otherwise the hierarchy is absent.
func discover(roots Roots) (layout, error) {
	membership, err := readWhole(filepath.Join(roots.Proc, "self/cgroup"))
	if err != nil {
		return layout{}, err
	}
	mountinfo, err := readWhole(filepath.Join(roots.Proc, "self/mountinfo"))
	if err != nil {
		return layout{}, err
	}
	search := search{parseMembership(membership), parseMounts(mountinfo)}
	moveTo(search.mounts, roots.Sys)
	unified := search.find("")
	found := layout{memory: search.find("memory"), cpu: search.find("cpu"), cpuacct: search.find("cpuacct")}
	// Each controller is in v1 when a v1 hierarchy has it, else in v2. Pressure exists in v2 only.
	if !found.memory.found() {
		found.memory = unified
	}
	if !found.cpu.found() {
		found.cpu = unified
	}
	if unified.found() && !isRoot("", unified.levels[0]) {
		found.pressure = unified.levels[0]
	}
	return found, nil
}

type search struct {
	// By controller; that of v2 is empty.
	paths  map[string]string
	mounts []mount
}

// find the group of a v1 controller, or of v2 where it is empty.
func (s *search) find(controller string) group {
	path, ok := s.paths[controller]
	if !ok {
		return group{}
	}
	// The mount that shows the smallest part of the hierarchy.
	best, directory := -1, ""
	for i := range s.mounts {
		it := &s.mounts[i]
		shown, ok := it.directory(path)
		if it.serves(controller) && ok && isDirectory(shown) && (best < 0 || depth(it.root) >= depth(s.mounts[best].root)) {
			best, directory = i, shown
		}
	}
	if best >= 0 {
		return levelsOf(controller, directory, s.mounts[best].point)
	}
	for i := range s.mounts {
		if it := &s.mounts[i]; it.serves(controller) {
			if isDirectory(it.point) && !isRoot(controller, it.point) {
				return levelsOf(controller, it.point, it.point)
			}
			return group{}
		}
	}
	return group{}
}

func depth(path string) int { return strings.Count(strings.TrimSuffix(path, "/"), "/") }

func levelsOf(controller, directory, top string) group {
	g := group{v1: controller != ""}
	for level := directory; ; level = filepath.Dir(level) {
		g.levels = append(g.levels, level)
		if level == top || level == filepath.Dir(level) {
			return g
		}
	}
}

// isRoot says whether a directory is the root of the whole hierarchy, so that its files are about the node. Each version has one
// file that exists only there (release_agent) or everywhere else (cgroup.events).
func isRoot(controller, directory string) bool {
	if controller != "" {
		return exists(filepath.Join(directory, "release_agent"))
	}
	return !exists(filepath.Join(directory, "cgroup.events"))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// parseMembership reads /proc/self/cgroup: in which group of each hierarchy the process is. Lines that say nothing usable are
// skipped; a removed group keeps its name with a suffix.
func parseMembership(content []byte) map[string]string {
	paths := make(map[string]string)
	for line := range bytes.Lines(content) {
		fields := bytes.SplitN(bytes.TrimSuffix(line, newline), []byte{':'}, 3)
		if len(fields) < 3 || !bytes.HasPrefix(fields[2], []byte{'/'}) || bytes.HasSuffix(fields[2], []byte(" (deleted)")) {
			continue
		}
		for name := range bytes.SplitSeq(fields[1], []byte{','}) {
			if _, twice := paths[string(name)]; !twice {
				paths[string(name)] = string(fields[2])
			}
		}
	}
	return paths
}

// mount of a cgroup hierarchy: the group that the mount point shows, and the super block's options, which name v1's controllers.
type mount struct {
	root, point string
	v2          bool
	controllers []string
}

func (m *mount) serves(controller string) bool {
	if controller == "" {
		return m.v2
	}
	return slices.Contains(m.controllers, controller)
}

// directory of the group at a path in this mount, when the mount shows it.
func (m *mount) directory(path string) (string, bool) {
	below, ok := strings.CutPrefix(path, m.root)
	if m.root == "/" {
		below, ok = path, true
	}
	if !ok || below != "" && !strings.HasPrefix(below, "/") || slices.Contains(strings.Split(below, "/"), "..") {
		return "", false
	}
	return filepath.Join(m.point, below), true
}

// parseMounts reads the cgroup mounts of mountinfo. Other lines, and lines that make no sense, are skipped.
func parseMounts(content []byte) []mount {
	var mounts []mount
	for line := range bytes.Lines(content) {
		// id parent major:minor root point options [optional...] - type source super-options
		fields := strings.Split(strings.TrimSuffix(string(line), "\n"), " ")
		dash := slices.Index(fields, "-")
		if dash < 6 || len(fields) < dash+3 {
			continue
		}
		it := mount{root: unescape(fields[3]), point: unescape(fields[4])}
		switch {
		case fields[dash+1] == "cgroup2":
			it.v2 = true
		case fields[dash+1] == "cgroup" && len(fields) > dash+3:
			it.controllers = strings.Split(fields[dash+3], ",")
		default:
			continue
		}
		mounts = append(mounts, it)
	}
	return mounts
}

// unescape: blank, tab, newline and backslash are written as three octal digits.
func unescape(field string) string {
	var plain strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+3 < len(field) && octal(field[i+1], '3') && octal(field[i+2], '7') && octal(field[i+3], '7') {
			plain.WriteByte((field[i+1]-'0')<<6 | (field[i+2]-'0')<<3 | (field[i+3] - '0'))
			i += 3
			continue
		}
		plain.WriteByte(field[i])
	}
	return plain.String()
}

func octal(b, most byte) bool { return '0' <= b && b <= most }

// moveTo rewrites mount points below /sys to lie below sys, unless some are there already: a recorded tree has only the former.
func moveTo(mounts []mount, sys string) {
	if sys == "/sys" || slices.ContainsFunc(mounts, func(m mount) bool { return strings.HasPrefix(m.point, sys) }) {
		return
	}
	for i := range mounts {
		if below, ok := strings.CutPrefix(mounts[i].point, "/sys/"); ok {
			mounts[i].point = filepath.Join(sys, below)
		}
	}
}

// A node with thousands of mounts has a mountinfo of about a megabyte.
const longest = 4 << 20

func readWhole(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, longest+1))
	if err == nil && len(content) > longest {
		err = errors.New("longer than 4 MiB")
	}
	return content, err
}
