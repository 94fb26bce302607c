"""A Slack of our own for tests: workspaces in memory, spoken to as Slack is spoken to.

`world` holds what there is, `methods` what the Web API asks for, `web_api` answers its calls,
`delivery` sends events and interactions by HTTP and Socket Mode, `people` are the hands of people.
What of it is Slack's own word is held against Slack's reference by a test.
"""
