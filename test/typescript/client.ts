// A user of the client that openapi-typescript generates: whatever it does must compile, and the answers must be what the types say.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Job = components["schemas"]["Job"];
type ErrorCode = components["schemas"]["ErrorCode"];

const client = createClient<paths>({ baseUrl: process.argv[2]! });

// The result of a success, with its types.
const executed = await client.POST("/execute", {
  body: { script: "def main(n):\n    print('doubling')\n    return 2 * n", args: [21], limits: { timeout_ms: 5000 } },
});
assert.equal(executed.response.status, 200);
assert.ok(executed.data && "stdout" in executed.data);
const stdout: string = executed.data.stdout;
assert.equal(stdout, "doubling\n");
assert.equal(executed.data.result, 42);

// A failure is an error with a closed code.
const failed = await client.POST("/execute", { body: { script: "def main():\n    return [][0]" } });
assert.equal(failed.response.status, 500);
const code: ErrorCode | undefined = failed.error?.code;
assert.equal(code, "exception");
assert.equal(failed.error?.line, 2);

// A job, by its id.
const submitted = await client.POST("/jobs", { params: { header: { Prefer: "wait=20" } }, body: { script: "def main():\n    return {'a': [1, None]}" } });
assert.ok(submitted.data);
const found = await client.GET("/jobs/{id}", { params: { path: { id: submitted.data.id }, query: { wait: 20 } } });
const job: Job = found.data!;
assert.equal(job.status, "completed");
assert.deepEqual(job.result, { a: [1, null] });
assert.ok(job.usage && job.usage.wall_ms >= 0);

// A batch: jobs and refusals, told apart by their fields.
const batch = await client.POST("/jobs/batch", {
  params: { header: { Prefer: "wait=20" } },
  body: { jobs: [{ script: "def main():\n    return 1" }, { script: "" }, { script: "def main():\n    return 3" }] },
});
const results = batch.data!.jobs.map((place) => ("id" in place ? place.result : place.code));
assert.deepEqual(results, [1, "invalid_request", 3]);

// What the service does not know does not compile.
// @ts-expect-error
await client.POST("/execute", { body: { script: 7 } });
// @ts-expect-error
await client.GET("/job/{id}", {});

console.log(`job ${job.id} ran`);
