package jobs

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

// The scripts are the only writers of job records. Each documents its keys, arguments and answer in its first lines.
var (
	//go:embed lua/prelude.lua
	prelude string
	//go:embed lua/submit.lua
	submitLua string
	//go:embed lua/pick.lua
	pickLua string
	//go:embed lua/finish.lua
	finishLua string
	//go:embed lua/release.lua
	releaseLua string
	//go:embed lua/sweep.lua
	sweepLua string
	//go:embed lua/cancel.lua
	cancelLua string
	//go:embed lua/watch.lua
	watchLua string
	//go:embed lua/admit.lua
	admitLua string

	submitScript  = redis.NewScript(prelude + submitLua)
	pickScript    = redis.NewScript(prelude + pickLua)
	finishScript  = redis.NewScript(prelude + finishLua)
	releaseScript = redis.NewScript(prelude + releaseLua)
	sweepScript   = redis.NewScript(prelude + sweepLua)
	cancelScript  = redis.NewScript(prelude + cancelLua)
	watchScript   = redis.NewScript(prelude + watchLua)
	admitScript   = redis.NewScript(prelude + admitLua)
)
