package jail

// dataFramesLibrary is the library whose jobs write to far more memory than others: of what a fork of a server with numpy and pandas copies
// ahead, 60 % is for data frames alone.
const dataFramesLibrary = "pandas"

// workload is what the latest jobs were like, which is what the next ones are expected to be.
type workload struct {
	// share is of the jobs with data frames, the latest weighing most.
	share float64
	// dataFrames says that they are worth to be prepared for.
	dataFrames bool
}

// Copied ahead a page costs 3.2 us, copied when it is written 5.2, and of those for data frames a job with some writes to two in three:
// a tie at four jobs in five. Below it is a matter of who waits, since what is copied ahead nobody waits for.
const (
	dataFramesAbove, dataFramesBelow = 0.6, 0.4
	// latestWeight is that of the latest job.
	latestWeight = 1. / 8
)

// newWorkload expects no data frames before the second job with some: what is copied ahead for them once costs a jail's later forks, too.
func newWorkload() workload { return workload{share: 0.5} }

func (w *workload) add(dataFrames bool) {
	w.share *= 1 - latestWeight
	if dataFrames {
		w.share += latestWeight
	}
	switch {
	case w.share > dataFramesAbove:
		w.dataFrames = true
	case w.share < dataFramesBelow:
		w.dataFrames = false
	}
}
