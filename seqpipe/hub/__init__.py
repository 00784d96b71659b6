"""The Hugging Face side: tasks, repositories of pipelines, model cards."""
