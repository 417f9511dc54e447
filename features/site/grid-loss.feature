@grid
Feature: Loss and return of the grid
  Without a grid the PCS must not feed an island; with the grid back it waits before it connects again.

  Scenario: The grid fails under load and comes back
    Given the plant discharges at 0.5 C
    When the grid is lost
    Then within 2 s the PCS delivers no power [IEEE 1547-2018 8.1: islanding at most 2 s]
    And within 2 s the PCS is blocked [IEEE 1547-2018 8.1]
    And within 2 s the AC contactor is open [IEEE 1547-2018 8.1]
    And for 5 s the contactors of every cluster stay closed [the battery is not at fault]
    When the grid returns
    Then for 8 s the AC contactor stays open [enter-service delay of the rig file]
    And between 9 and 15 s later the AC contactor is closed [rig file: 10 s; IEEE 1547-2018 default 300 s R]
    And within 60 s the EMS runs the plant
    And within 90 s the PCS delivers at least 100 kW

  Scenario: A short sag is ridden through
    Given the plant discharges at 0.5 C
    When the grid voltage steps to 75 % of nominal
    And 500 ms pass
    Then still the AC contactor is closed [IEEE 1547-2018 Cat II: 3 s at 0.65 to 0.88 pu]
    When the grid voltage recovers
    Then within 1 s the PCS delivers at least 100 kW
    And for 5 s the AC contactor stays closed
