"""OpenAI's batch API: files, batches, and the work of running one."""
