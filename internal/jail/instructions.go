package jail

import (
	"regexp"
	"strings"
)

// instructions says what the processor can do, in the words and by the name of its line that /proc/cpuinfo has for it. Libraries choose
// their code by it. It is no more than any program learns from the processor (cpuid), or finds beside its environment (AT_HWCAP);
// words that say how the kernel or a hypervisor is set up, and against which attacks, are left out.
func instructions(cpuinfo string) (key, words string) {
	key = "flags"
	for line := range strings.Lines(cpuinfo) {
		name, all, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "Features": // of aarch64: hardware capabilities alone
			return "Features", strings.Join(strings.Fields(all), " ")
		case key:
			var kept []string
			for _, word := range strings.Fields(all) {
				if instructionSet.MatchString(word) {
					kept = append(kept, word)
				}
			}
			return key, strings.Join(kept, " ")
		}
	}
	return key, ""
}

// instructionSet is what x86 has for programs, as opposed to kernels.
var instructionSet = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`fpu|cx8|cx16|cmov|lm|nopl|mmx|mmxext|3dnow|3dnowext|3dnowprefetch|fxsr|fxsr_opt|lahf_lm|movbe|popcnt|abm|bmi[12]|tbm|adx|lwp`,
	`pni|ssse3|sse2?|sse4_[12]|sse4a|misalignsse|fma4?|xop|f16c|avx[0-9a-z_]*|amx_[0-9a-z_]+`,
	`aes|vaes|pclmulqdq|vpclmulqdq|gfni|sha_ni|sha512|sm[34]|rdrand|rdseed|rdpid|rdtscp|crc32`,
	`xsave|xsaveopt|xsavec|xgetbv1|erms|fsrm|fzrm|fsrs|fsrc|clflush|clflushopt|clwb|cldemote|clzero|movdiri|movdir64b|serialize|waitpkg`,
}, "|") + `)$`)
