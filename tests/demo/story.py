"""A club's whole story on a real homeserver: from the join form to the last goodbye."""

from tests.demo.door import Door
from tests.demo.roll import Roll


class Story(Door, Roll):
    """The chapters, in order."""

    async def play(self) -> None:
        """All of it."""
        for chapter in (
            self.house,
            self.old_hands,
            self.form,
            self.knocks,
            self.review,
            self.question,
            self.approval,
            self.arrival,
            self.kills_at_the_door,
            self.life,
            self.sweep,
            self.removal,
            self.comeback,
            self.pause,
            self.record,
        ):
            self.stage.program.chapter((chapter.__doc__ or "").splitlines()[0])
            await chapter()
