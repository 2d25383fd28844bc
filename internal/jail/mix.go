package jail

// framesLibrary is the library whose jobs write to far more memory than others: of what a fork of a server with numpy and pandas copies
// ahead, 60 % is for data frames alone.
const framesLibrary = "pandas"

// mix is what the latest jobs were like, which is what the next ones are expected to be.
type mix struct {
	// share is of the jobs with data frames, the latest weighing most.
	share float64
	// frames says that they are worth to be prepared for.
	frames bool
}

// Copied ahead a page costs 3.2 us, copied when it is written 5.2, and of those for data frames a job with some writes to two in three:
// a tie at four jobs in five. Below it is a matter of who waits, since what is copied ahead nobody waits for.
const (
	framesAbove, framesBelow = 0.6, 0.4
	// mixWeight is that of the latest job.
	mixWeight = 1. / 8
)

// newMix expects no data frames before the second job with some: what is copied ahead for them once costs a jail's later forks, too.
func newMix() mix { return mix{share: 0.5} }

func (m *mix) add(frames bool) {
	m.share *= 1 - mixWeight
	if frames {
		m.share += mixWeight
	}
	switch {
	case m.share > framesAbove:
		m.frames = true
	case m.share < framesBelow:
		m.frames = false
	}
}
